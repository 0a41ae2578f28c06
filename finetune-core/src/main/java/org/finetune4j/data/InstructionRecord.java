package org.finetune4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/**
 * One example in the Alpaca format.
 *
 * @param instruction what to do
 * @param input what to do it with; may be empty
 * @param output the answer to learn
 */
public record InstructionRecord(String instruction, String input, String output) {

    /** An example whose instruction needs no input. */
    public InstructionRecord(String instruction, String output) {
        this(instruction, "", output);
    }

    /**
     * Reads {@code {"instruction": ..., "input": ..., "output": ...}}; {@code input} may be missing or null, other keys
     * are ignored.
     *
     * @throws UserErrorException when a key is missing or its value is not a string; without the place, which the reader
     *     of the file adds
     */
    static InstructionRecord of(JsonNode node) {
        return new InstructionRecord(
                required(node, "instruction"),
                node.path("input").isNull() || node.path("input").isMissingNode() ? "" : string(node, "input"),
                required(node, "output"));
    }

    private static String required(JsonNode node, String key) {
        if (!node.has(key)) {
            List<String> keys = new ArrayList<>();
            node.fieldNames().forEachRemaining(keys::add);
            String found = Suggestions.nearest(key, keys).map(name -> ", but a '" + name + "'").orElse("");
            throw new UserErrorException("the record has no '" + key + "'" + found);
        }
        return string(node, key);
    }

    private static String string(JsonNode node, String key) {
        JsonNode value = node.get(key);
        if (!value.isTextual()) {
            throw new UserErrorException("'" + key + "' must be a string, got "
                    + value.getNodeType().name().toLowerCase(Locale.ROOT));
        }
        return value.textValue();
    }
}
