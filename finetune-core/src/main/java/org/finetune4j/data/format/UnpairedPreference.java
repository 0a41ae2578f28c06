package org.finetune4j.data.format;

import java.util.Objects;

/**
 * An answer that people found good or bad, as KTO learns from it.
 *
 * @param example the prompt with the answer
 * @param desirable whether the answer was found good
 */
public record UnpairedPreference(Supervised example, boolean desirable) implements Example {

    /**
     * Refuses what is missing.
     *
     * @param example the prompt with the answer
     * @param desirable whether the answer was found good
     */
    public UnpairedPreference {
        Objects.requireNonNull(example, "example");
    }

    /**
     * Refuses an empty answer, from which nothing can be learned.
     *
     * @throws org.finetune4j.UserErrorException when it is empty
     */
    public void requireAnswer() {
        JudgedAnswers.requireAnswer("judged", example);
    }
}
