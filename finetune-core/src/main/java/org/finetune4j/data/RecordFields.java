package org.finetune4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/** Reads fields of a JSON record; messages lack the place, which the reader of the file adds. */
public final class RecordFields {

    private static final int LONGEST = 60;
    private static final int MOST_KEYS = 16;

    private RecordFields() {}

    /**
     * A text that must be there.
     *
     * @param record the record
     * @param key the text's key
     * @return the text
     * @throws UserErrorException when the key is missing or its value is not a string
     */
    public static String requiredString(JsonNode record, String key) {
        if (!record.has(key)) {
            throw new UserErrorException("the record has no '" + key + "'" + nearest(record, key));
        }
        return string(record.get(key), key);
    }

    /**
     * The record without the keys whose value is null: such a key counts as absent everywhere.
     *
     * @param record any node
     * @return the same node where there is no such key
     */
    public static JsonNode withoutNulls(JsonNode record) {
        if (!(record instanceof ObjectNode object)) {
            return record;
        }
        for (JsonNode value : object) {
            if (value.isNull()) {
                ObjectNode present = object.objectNode();
                object.properties().forEach(field -> {
                    if (!field.getValue().isNull()) {
                        present.set(field.getKey(), field.getValue());
                    }
                });
                return present;
            }
        }
        return record;
    }

    /**
     * What to append to a message about a key that is missing: the nearest that is there, or all that are.
     *
     * @param record the record
     * @param key the key that is missing
     * @return the end of a message
     */
    public static String nearest(JsonNode record, String key) {
        List<String> keys = new ArrayList<>();
        record.fieldNames().forEachRemaining(keys::add);
        return Suggestions.nearest(key, keys)
                .map(name -> ", but a '" + shortened(name) + "'")
                .orElse("; its keys are " + keys(record));
    }

    /**
     * The keys of a record for a message, the first of them where there are many.
     *
     * @param record the record
     * @return the keys in brackets
     */
    public static String keys(JsonNode record) {
        List<String> keys = new ArrayList<>();
        record.fieldNames().forEachRemaining(key -> {
            if (keys.size() < MOST_KEYS) {
                keys.add(shortened(key));
            } else if (keys.size() == MOST_KEYS) {
                keys.add("...");
            }
        });
        return keys.toString();
    }

    /**
     * A text of the user's for a message: on one line, cut where it gets too long.
     *
     * @param text any text
     * @return no more than its first {@value #LONGEST} characters
     */
    public static String shortened(String text) {
        String cut = text.length() <= LONGEST ? text : text.substring(0, LONGEST) + "...";
        return cut.replaceAll("\\p{Cntrl}", " ");
    }

    /**
     * A text that may be missing.
     *
     * @param record the record
     * @param key the text's key
     * @return the empty string when the key is missing or its value is null
     * @throws UserErrorException when its value is not a string
     */
    public static String optionalString(JsonNode record, String key) {
        JsonNode value = record.path(key);
        return value.isMissingNode() || value.isNull() ? "" : string(value, key);
    }

    private static String string(JsonNode value, String key) {
        if (!value.isTextual()) {
            throw new UserErrorException("'" + key + "' must be a string, got "
                    + value.getNodeType().name().toLowerCase(Locale.ROOT));
        }
        return value.textValue();
    }
}
