package org.finetune4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/** Reads fields of a JSON record; messages lack the place, which the reader of the file adds. */
public final class RecordFields {

    private RecordFields() {}

    /** @throws UserErrorException when the key is missing or its value is not a string */
    public static String requiredString(JsonNode record, String key) {
        if (!record.has(key)) {
            List<String> keys = new ArrayList<>();
            record.fieldNames().forEachRemaining(keys::add);
            String found = Suggestions.nearest(key, keys)
                    .map(name -> ", but a '" + name + "'")
                    .orElse("; its keys are " + keys);
            throw new UserErrorException("the record has no '" + key + "'" + found);
        }
        return string(record.get(key), key);
    }

    /** The empty string when the key is missing or its value is null. */
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
