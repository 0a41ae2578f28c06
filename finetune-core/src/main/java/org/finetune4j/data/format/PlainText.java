package org.finetune4j.data.format;

/**
 * A text to continue, all of which is learned.
 *
 * @param text as it stands in the record
 */
public record PlainText(String text) implements Example {}
