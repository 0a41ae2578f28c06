package org.finetune4j.data.supervised;

import org.finetune4j.data.format.Conversation;

/** Puts conversations into words, and knows which words are whose. Thread-safe. */
@FunctionalInterface
public interface ConversationRenderer {

    /**
     * Puts a conversation into words.
     *
     * @param conversation all turns
     * @return the text with the parts that can be learned
     * @throws org.finetune4j.UserErrorException when the template refuses the conversation
     */
    RenderedConversation render(Conversation conversation);
}
