package org.finetune4j.data.format;

/**
 * An answer that people found good or bad, as KTO learns from it.
 *
 * @param example the prompt with the answer
 * @param desirable whether the answer was found good
 */
public record UnpairedPreference(Supervised example, boolean desirable) implements Example {

    /**
     * Refuses an empty answer.
     *
     * @param example the prompt with the answer
     * @param desirable whether the answer was found good
     * @throws org.finetune4j.UserErrorException when the answer is empty
     */
    public UnpairedPreference {
        JudgedAnswers.requireAnswer("judged", example);
    }
}
