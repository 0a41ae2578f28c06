package org.finetune4j.data.examples;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Gives the fields of records the names that formats know.
 *
 * @param columns from a format's key to the dataset's name for it
 * @param tags names inside messages, or null
 */
record RecordMapping(Map<String, String> columns, @Nullable MessageTags tags) {

    private static final List<String> MESSAGE_KEYS = List.of(
            "conversations", "messages", "chosen", "rejected", "chosen_messages", "rejected_messages", "prompt");

    RecordMapping {
        columns = Map.copyOf(columns);
    }

    /** The record in the names of formats; a field that is missing stays missing. */
    JsonNode apply(JsonNode record) {
        if (columns.isEmpty() && tags == null) {
            return record;
        }
        ObjectNode mapped = record.deepCopy();
        Map<String, JsonNode> taken = new LinkedHashMap<>();
        columns.forEach((key, column) -> {
            if (record.has(column)) {
                taken.put(key, record.get(column));
            }
        });
        columns.values().forEach(mapped::remove);
        columns.keySet().forEach(mapped::remove); // A field that is called so by chance is not what was named.
        taken.forEach(mapped::set);
        if (tags != null) {
            for (String key : MESSAGE_KEYS) {
                if (mapped.path(key).isContainerNode()) {
                    mapped.set(key, tags.apply(mapped.get(key)));
                }
            }
        }
        return mapped;
    }

    /** For a message about {@code record}: which columns it lacks; empty when it has all. */
    String missing(JsonNode record) {
        List<String> missing = columns.entrySet().stream()
                .filter(column -> !record.has(column.getValue()))
                .map(column -> column.getKey() + ": " + column.getValue())
                .sorted()
                .toList();
        return missing.isEmpty() ? "" : " (columns names what the record lacks: " + String.join(", ", missing) + ")";
    }
}
