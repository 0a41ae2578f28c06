package org.finetune4j.nn;

import org.finetune4j.tensor.DType;
import org.jspecify.annotations.Nullable;

/** What a method puts before the tokens of every sequence that a model sees. */
public interface PromptExtension {

    /** {@return the number of virtual tokens} */
    int virtualTokens();

    /** {@return how many tasks there are virtual tokens for; with more than one every sequence says which is its own} */
    default int tasks() {
        return 1;
    }

    /**
     * Makes the virtual tokens from the method's parameters, recorded where autograd is on.
     *
     * @param taskIds the task of every row, from 0, or null where nobody says; what all rows share does not ask
     * @param dtype the type of the model's calculation
     * @param dropout whether elements are dropped on the way
     * @return the virtual tokens
     * @throws org.finetune4j.UserErrorException when there are several tasks and a row's is not said or not there
     */
    Prompt prompt(int @Nullable [] taskIds, DType dtype, Dropout dropout);
}
