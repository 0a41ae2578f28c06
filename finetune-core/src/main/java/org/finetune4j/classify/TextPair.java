package org.finetune4j.classify;

import java.util.Objects;

/**
 * A text, or two of which a classifier says something together.
 *
 * @param text the text
 * @param secondText the other one; empty when there is none
 */
public record TextPair(String text, String secondText) {

    /**
     * Refuses what is missing.
     *
     * @param text the text
     * @param secondText the other one; empty when there is none
     */
    public TextPair {
        Objects.requireNonNull(text, "text");
        Objects.requireNonNull(secondText, "secondText");
    }

    /**
     * A text by itself.
     *
     * @param text the text
     */
    public TextPair(String text) {
        this(text, "");
    }
}
