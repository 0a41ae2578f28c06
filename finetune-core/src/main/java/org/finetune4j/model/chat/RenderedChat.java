package org.finetune4j.model.chat;

import java.util.List;

/**
 * A conversation in a template's words.
 *
 * @param text the whole text, special tokens spelt out
 * @param spans what the assistant wrote, in the order of the text
 */
public record RenderedChat(String text, List<Span> spans) {

    /**
     * Copies the list.
     *
     * @param spans where answers lie in it
     * @param text the whole conversation
     */
    public RenderedChat {
        spans = List.copyOf(spans);
    }

    /**
     * What the model itself would write for one message: everything after the header that asks it to, up to and with what
     * ends its turn.
     *
     * @param message index in the conversation
     * @param start first UTF-16 unit
     * @param end unit after the last
     */
    public record Span(int message, int start, int end) {}
}
