package org.finetune4j.data.format;

/**
 * A text, or two, and the class it belongs to.
 *
 * @param text the text
 * @param secondText the other sentence of a pair; empty when there is none
 * @param label the class as the dataset writes it: a name, or a number
 */
public record LabelledText(String text, String secondText, String label) implements Example {}
