package org.finetune4j.data.supervised;

import org.finetune4j.data.format.Conversation;

/** Puts conversations into words, and knows which words are whose. Thread-safe. */
@FunctionalInterface
public interface ConversationRenderer {

    /** @throws org.finetune4j.UserErrorException when the template refuses the conversation */
    RenderedConversation render(Conversation conversation);
}
