package org.finetune4j.data.format;

import java.util.Objects;

/**
 * A text to continue, all of which is learned.
 *
 * @param text as it stands in the record
 */
public record PlainText(String text) implements Example {

    /**
     * Refuses what is missing.
     *
     * @param text as it stands in the record
     */
    public PlainText {
        Objects.requireNonNull(text, "text");
    }
}
