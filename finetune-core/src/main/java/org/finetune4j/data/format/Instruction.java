package org.finetune4j.data.format;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * An instruction in Alpaca's form; a prompt template, or a chat template, puts it into words.
 *
 * @param instruction what to do
 * @param input what to do it with; may be empty
 * @param output the answer to learn
 */
public record Instruction(String instruction, String input, String output) implements Supervised {

    /**
     * Refuses what is missing.
     *
     * @param instruction what to do
     * @param input what to do it with; may be empty
     * @param output the answer to learn
     */
    public Instruction {
        Objects.requireNonNull(instruction, "instruction");
        Objects.requireNonNull(input, "input");
        Objects.requireNonNull(output, "output");
    }

    /**
     * An instruction without input.
     *
     * @param instruction what to do
     * @param output the answer to learn
     */
    public Instruction(String instruction, String output) {
        this(instruction, "", output);
    }

    /**
     * {@return the same as a conversation of two turns, as LLaMA-Factory puts it: instruction and input on lines of their
     * own}
     */
    public Conversation asConversation() {
        List<Turn> turns = new ArrayList<>();
        turns.add(Turn.user(input.isEmpty() ? instruction : instruction + "\n" + input));
        turns.add(Turn.assistant(output));
        return new Conversation(turns, 1, null);
    }
}
