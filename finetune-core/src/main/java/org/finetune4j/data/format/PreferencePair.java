package org.finetune4j.data.format;

/**
 * Two answers to one prompt, of which people preferred the first. Both have the same prompt.
 *
 * @param chosen the prompt with the better answer
 * @param rejected the same prompt with the other one
 */
public record PreferencePair(Supervised chosen, Supervised rejected) implements Example {

    /**
     * Refuses answers that cannot be compared.
     *
     * @param chosen the prompt with the better answer
     * @param rejected the same prompt with the other one
     * @throws org.finetune4j.UserErrorException when an answer is empty, both are the same, or their prompts differ
     */
    public PreferencePair {
        JudgedAnswers.requireComparable(chosen, rejected);
    }
}
