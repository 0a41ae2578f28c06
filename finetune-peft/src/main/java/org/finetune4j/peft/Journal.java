package org.finetune4j.peft;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;

/** The head of a file that says how far several trainings have come: its version, and the settings that they were begun with. */
public final class Journal {

    private static final String VERSION = "format_version";
    private static final String SETTINGS = "settings";
    private static final int KNOWN_VERSION = 1;

    private Journal() {}

    /**
     * Begins the content of a journal.
     *
     * @param settings that must be the same for the work to go on
     * @return a map to add to, in the order of the file
     */
    public static Map<String, Object> head(Map<String, String> settings) {
        Map<String, Object> root = new LinkedHashMap<>();
        root.put(VERSION, KNOWN_VERSION);
        root.put(SETTINGS, settings);
        return root;
    }

    /**
     * Reads a journal of the same work.
     *
     * @param file the journal
     * @param settings that must be those it was begun with
     * @param work what it is of, for messages, such as {@code "search"}
     * @return its content
     * @throws UserErrorException when it is no journal, one of another version, or of work with other settings
     */
    public static ObjectNode read(Path file, Map<String, String> settings, String work) {
        ObjectNode root = Json.parseObject(InputFiles.text(file), file);
        if (root.path(VERSION).asInt(0) != KNOWN_VERSION) {
            throw new UserErrorException(file + ": " + VERSION + " is " + root.path(VERSION) + ", expected "
                    + KNOWN_VERSION + ": another version of this program began this " + work);
        }
        Map<String, String> before = new LinkedHashMap<>();
        root.path(SETTINGS)
                .properties()
                .forEach(entry -> before.put(entry.getKey(), entry.getValue().asText()));
        Map<String, String> all = new LinkedHashMap<>(before);
        all.putAll(settings);
        for (String key : all.keySet()) {
            String was = before.getOrDefault(key, "not set");
            String is = settings.getOrDefault(key, "not set");
            if (!was.equals(is)) {
                throw new UserErrorException(file + ": " + key + " was " + was + ", is " + is + " since this " + work
                        + " was begun: choose another output_dir");
            }
        }
        return root;
    }
}
