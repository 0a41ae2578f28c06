package org.finetune4j.peft.auto;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.peft.Journal;
import org.finetune4j.peft.auto.Standing.RungScore;
import org.jspecify.annotations.Nullable;

/**
 * How far a search has come, {@value #NAME} in its directory, which is its report for programs as well. It is replaced as a
 * whole after everything that cost a training, so that a search that was killed goes on where it was.
 */
final class SearchJournal {

    static final String NAME = "auto.json";

    private final Path file;
    private final Map<String, String> identity;
    private List<Rung> rungs = List.of();
    private final Map<String, Standing> standings = new LinkedHashMap<>();
    private boolean complete;

    private SearchJournal(Path file, Map<String, String> identity) {
        this.file = file;
        this.identity = Map.copyOf(identity);
    }

    /**
     * Reads the journal of a directory; a new one is empty.
     *
     * @param identity what must be the same for a search to go on
     * @throws UserErrorException when the file is no journal, or one of another search
     */
    static SearchJournal open(Path directory, Map<String, String> identity) {
        SearchJournal journal = new SearchJournal(directory.resolve(NAME), identity);
        if (Files.exists(journal.file)) {
            journal.read(Journal.read(journal.file, identity, "search"));
        }
        return journal;
    }

    private void read(ObjectNode root) {
        List<Rung> read = new ArrayList<>();
        for (JsonNode rung : root.path("rungs")) {
            read.add(new Rung((int) number(rung, "candidates"), (long) number(rung, "steps")));
        }
        rungs = List.copyOf(read);
        for (JsonNode one : root.path("candidates")) {
            Standing standing = standing(one);
            standings.put(standing.candidate().name(), standing);
        }
        complete = root.path("complete").asBoolean(false);
        if (rungs.isEmpty() || standings.isEmpty()) {
            throw new UserErrorException(file + ": holds no rungs or no candidates of a search: move it away");
        }
    }

    private Standing standing(JsonNode node) {
        List<RungScore> scores = new ArrayList<>();
        for (JsonNode score : node.path("scores")) {
            scores.add(new RungScore(
                    (long) number(score, "steps"), number(score, "held_out_loss"), number(score, "seconds")));
        }
        JsonNode settings = node.path("settings");
        JsonNode left = node.path("left");
        if (!settings.isObject() || !node.path("name").isTextual()) {
            throw new UserErrorException(file + ": a candidate has no 'name' or no 'settings': move the file away");
        }
        Map<String, Object> values = new LinkedHashMap<>();
        Json.toMap(settings).forEach((key, value) -> {
            if (value != null) {
                values.put(key, value);
            }
        });
        return new Standing(
                new Candidate(node.path("name").asText(), values),
                (long) number(node, "trainable_parameters"),
                (long) number(node, "peak_bytes"),
                scores,
                left.isTextual() ? left.asText() : null);
    }

    private double number(JsonNode node, String key) {
        if (!node.path(key).isNumber()) {
            throw new UserErrorException(file + ": '" + key + "' is " + node.path(key) + ", expected a number");
        }
        return node.path(key).asDouble();
    }

    boolean isBegun() {
        return !standings.isEmpty();
    }

    boolean isComplete() {
        return complete;
    }

    List<Rung> rungs() {
        return rungs;
    }

    List<Standing> standings() {
        return List.copyOf(standings.values());
    }

    List<Standing> in() {
        return standings.values().stream().filter(Standing::isIn).toList();
    }

    void begin(List<Standing> all, List<Rung> planned) {
        rungs = List.copyOf(planned);
        all.forEach(one -> standings.put(one.candidate().name(), one));
        write();
    }

    void put(Standing standing) {
        standings.put(standing.candidate().name(), standing);
        write();
    }

    void putAll(List<Standing> changed) {
        changed.forEach(one -> standings.put(one.candidate().name(), one));
        write();
    }

    void complete() {
        complete = true;
        write();
    }

    /** The one that has come to the end of the last rung. */
    Optional<Standing> winner() {
        return complete ? in().stream().findFirst() : Optional.empty();
    }

    private void write() {
        List<Standing> front = ParetoFront.of(standings());
        List<Object> all = new ArrayList<>();
        for (Standing one : standings.values()) {
            Map<String, @Nullable Object> values = new LinkedHashMap<>();
            values.put("name", one.candidate().name());
            values.put("settings", one.candidate().settings());
            values.put("trainable_parameters", one.trainable());
            values.put("peak_bytes", one.peakBytes());
            values.put("pareto", front.contains(one));
            values.put(
                    "scores", one.scores().stream().map(SearchJournal::values).toList());
            values.put("left", one.left());
            all.add(values);
        }
        Map<String, @Nullable Object> root = new LinkedHashMap<>(Journal.head(identity));
        root.put("complete", complete);
        root.put("winner", winner().map(one -> one.candidate().name()).orElse(null));
        root.put(
                "rungs",
                rungs.stream()
                        .map(rung -> Map.of("candidates", rung.candidates(), "steps", rung.steps()))
                        .toList());
        root.put("candidates", all);
        AtomicFiles.writeString(file, Json.writePretty(root));
    }

    private static Map<String, Object> values(RungScore score) {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("steps", score.steps());
        values.put("held_out_loss", score.loss());
        values.put("seconds", Math.round(1000 * score.seconds()) / 1000.0);
        return values;
    }
}
