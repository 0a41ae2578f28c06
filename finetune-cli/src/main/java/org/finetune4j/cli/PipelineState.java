package org.finetune4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.AtomicFiles;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * How far a row of trainings has come, {@code pipeline.json} in its directory: for every stage that was begun, with which
 * settings, and whether it is complete. The file is replaced as a whole.
 */
final class PipelineState {

    private static final String NAME = "pipeline.json";
    private static final String VERSION = "format_version";
    private static final int KNOWN_VERSION = 1;
    private static final String STAGES = "stages";
    private static final String COMPLETE = "complete";
    private static final String SETTINGS = "settings";

    private record Entry(Map<String, String> identity, boolean complete) {}

    private final Path file;
    private final Map<String, Entry> stages = new LinkedHashMap<>();

    private PipelineState(Path file) {
        this.file = file;
    }

    /**
     * Reads the state of a directory; a new one has none.
     *
     * @throws UserErrorException when the file is not a state, or a later version's
     */
    static PipelineState read(Path directory) {
        PipelineState state = new PipelineState(directory.resolve(NAME));
        if (!Files.exists(state.file)) {
            return state;
        }
        ObjectNode root = Json.parseObject(InputFiles.text(state.file), state.file);
        if (root.path(VERSION).asInt(0) != KNOWN_VERSION) {
            throw new UserErrorException(state.file + ": " + VERSION + " is " + root.path(VERSION) + ", expected "
                    + KNOWN_VERSION + ": another version of this program began this row of trainings");
        }
        root.path(STAGES).properties().forEach(entry -> {
            Map<String, String> identity = new LinkedHashMap<>();
            entry.getValue()
                    .path(SETTINGS)
                    .properties()
                    .forEach(setting ->
                            identity.put(setting.getKey(), setting.getValue().asText()));
            JsonNode complete = entry.getValue().path(COMPLETE);
            if (!complete.isBoolean()) {
                throw new UserErrorException(state.file + ": stage " + entry.getKey() + " has no '" + COMPLETE
                        + "': true or false was expected");
            }
            state.stages.put(entry.getKey(), new Entry(identity, complete.asBoolean()));
        });
        return state;
    }

    boolean isBegun(String stage) {
        return stages.containsKey(stage);
    }

    boolean isComplete(String stage) {
        Entry entry = stages.get(stage);
        return entry != null && entry.complete();
    }

    /** What differs between the settings that a stage was begun with and these, in words. */
    Optional<String> difference(String stage, Map<String, String> identity) {
        Entry entry = stages.get(stage);
        if (entry == null) {
            return Optional.empty();
        }
        Map<String, String> all = new LinkedHashMap<>(entry.identity());
        all.putAll(identity);
        return all.keySet().stream()
                .filter(key -> !String.valueOf(entry.identity().get(key)).equals(String.valueOf(identity.get(key))))
                .findFirst()
                .map(key -> key + " was " + shown(entry.identity().get(key)) + ", is " + shown(identity.get(key)));
    }

    private static String shown(@Nullable String value) {
        return value == null ? "not set" : value;
    }

    void begin(String stage, Map<String, String> identity) {
        put(stage, new Entry(identity, false));
    }

    void complete(String stage, Map<String, String> identity) {
        put(stage, new Entry(identity, true));
    }

    private void put(String stage, Entry entry) {
        stages.put(stage, entry);
        Map<String, Object> written = new LinkedHashMap<>();
        stages.forEach((name, one) ->
                written.put(name, Map.of(COMPLETE, one.complete(), SETTINGS, new LinkedHashMap<>(one.identity()))));
        Map<String, Object> root = new LinkedHashMap<>();
        root.put(VERSION, KNOWN_VERSION);
        root.put(STAGES, written);
        AtomicFiles.writeString(file, Json.writePretty(root));
    }
}
