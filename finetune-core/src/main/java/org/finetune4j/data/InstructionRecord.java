package org.finetune4j.data;

import com.fasterxml.jackson.databind.JsonNode;
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
     * @throws UserErrorException when a key is missing or its value is not a string; without the place, which the
     *     reader of the file adds
     */
    static InstructionRecord of(JsonNode node) {
        return new InstructionRecord(
                RecordFields.requiredString(node, "instruction"),
                RecordFields.optionalString(node, "input"),
                RecordFields.requiredString(node, "output"));
    }
}
