package org.finetune4j.data.supervised;

import java.util.Optional;
import org.finetune4j.data.format.Instruction;

/** Turns a record into the text that the model is given; what it should answer is {@link #completion}. */
@FunctionalInterface
public interface PromptTemplate {

    /**
     * {@return the text before the answer, up to and with the last character that the model does not write itself}
     *
     * @param record the instruction to put into words
     */
    String prompt(Instruction record);

    /**
     * The template as text with placeholders, so that it can be written beside what was trained with it.
     *
     * @return the text, or empty where this template is code
     */
    default Optional<StringTemplate> text() {
        return Optional.empty();
    }

    /**
     * {@return the text to learn, without the end-of-sequence token}
     *
     * @param record the instruction to put into words
     */
    default String completion(Instruction record) {
        return record.output();
    }
}
