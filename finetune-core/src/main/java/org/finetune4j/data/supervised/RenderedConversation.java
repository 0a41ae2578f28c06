package org.finetune4j.data.supervised;

import java.util.List;

/**
 * A conversation in the words of a chat template.
 *
 * @param text the whole text, special tokens spelt out
 * @param spans what each turn wrote that can be learned, in the order of the text
 */
public record RenderedConversation(String text, List<Span> spans) {

    /**
     * Copies the spans.
     *
     * @param text the whole text, special tokens spelt out
     * @param spans what each turn wrote that can be learned, in the order of the text
     */
    public RenderedConversation {
        spans = List.copyOf(spans);
    }

    /**
     * The part of the text that is one turn's own: its content and what ends it, without the header that names its role.
     *
     * @param turn index of the turn in the conversation
     * @param start first UTF-16 unit
     * @param end unit after the last
     */
    public record Span(int turn, int start, int end) {}
}
