package org.finetune4j.data.format;

/** A text to continue, all of which is learned. */
public record PlainText(String text) implements Example {}
