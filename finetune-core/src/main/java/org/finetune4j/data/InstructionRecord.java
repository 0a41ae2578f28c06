package org.finetune4j.data;

/**
 * One example in the Alpaca format.
 *
 * @param instruction what to do
 * @param input what to do it with; may be empty
 * @param output the answer to learn
 */
public record InstructionRecord(String instruction, String input, String output) {

    /**
     * An example whose instruction needs no input.
     *
     * @param instruction what to do
     * @param output the answer to learn
     */
    public InstructionRecord(String instruction, String output) {
        this(instruction, "", output);
    }
}
