package org.finetune4j.data.format;

import java.util.List;
import java.util.Objects;

/**
 * Two texts that follow each other as they are.
 *
 * @param prompt what the model is given
 * @param completion what it learns to write next
 */
public record PromptCompletion(String prompt, String completion) implements Supervised {

    /**
     * Refuses what is missing.
     *
     * @param prompt what the model is given
     * @param completion what it learns to write next
     */
    public PromptCompletion {
        Objects.requireNonNull(prompt, "prompt");
        Objects.requireNonNull(completion, "completion");
    }

    /** {@return the same as a conversation of two turns} */
    public Conversation asConversation() {
        return new Conversation(List.of(Turn.user(prompt), Turn.assistant(completion)), 1, null);
    }
}
