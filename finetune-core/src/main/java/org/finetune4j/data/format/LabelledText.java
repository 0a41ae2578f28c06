package org.finetune4j.data.format;

import java.util.List;

/**
 * A text, or two, and what it is: one class, several labels that hold at once, or numbers.
 *
 * @param text the text
 * @param secondText the other sentence of a pair; empty when there is none
 * @param labels as the dataset writes them, names or numbers; none where no label holds
 */
public record LabelledText(String text, String secondText, List<String> labels) implements Example {

    /**
     * Copies the list.
     *
     * @param text the text
     * @param secondText the other sentence of a pair; empty when there is none
     * @param labels as the dataset writes them
     */
    public LabelledText {
        labels = List.copyOf(labels);
    }

    /**
     * A text of one class.
     *
     * @param text the text
     * @param secondText the other sentence of a pair; empty when there is none
     * @param label the class as the dataset writes it: a name, or a number
     */
    public LabelledText(String text, String secondText, String label) {
        this(text, secondText, List.of(label));
    }

    /** {@return the labels as one text} */
    public String label() {
        return String.join(", ", labels);
    }
}
