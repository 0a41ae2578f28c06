package org.finetune4j.nn;

import org.finetune4j.tensor.DType;

/** What a method puts before the tokens of every sequence that a model sees. */
public interface PromptExtension {

    /** {@return the number of virtual tokens} */
    int virtualTokens();

    /**
     * Makes the virtual tokens from the method's parameters, recorded where autograd is on.
     *
     * @param dtype the type of the model's calculation
     * @param dropout whether elements are dropped on the way
     * @return the virtual tokens
     */
    Prompt prompt(DType dtype, Dropout dropout);
}
