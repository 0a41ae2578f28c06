package org.finetune4j.data.format;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.data.InstructionRecord;

/**
 * An instruction in Alpaca's form; a prompt template, or a chat template, puts it into words.
 *
 * @param record instruction, input and answer
 */
public record Instruction(InstructionRecord record) implements Supervised {

    /**
     * {@return the same as a conversation of two turns, as LLaMA-Factory puts it: instruction and input on lines of their
     * own}
     */
    public Conversation asConversation() {
        String input = record.input();
        List<Turn> turns = new ArrayList<>();
        turns.add(Turn.user(input.isEmpty() ? record.instruction() : record.instruction() + "\n" + input));
        turns.add(Turn.assistant(record.output()));
        return new Conversation(turns, 1, null);
    }
}
