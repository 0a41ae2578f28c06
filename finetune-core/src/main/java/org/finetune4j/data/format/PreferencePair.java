package org.finetune4j.data.format;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Two answers to one prompt, of which people preferred the first. Both have the same prompt.
 *
 * @param chosen the prompt with the better answer
 * @param rejected the same prompt with the other one
 * @param margin by how much the first is better, where somebody said so; else null
 */
public record PreferencePair(
        Supervised chosen, Supervised rejected, @Nullable Double margin) implements Example {

    /**
     * Refuses what is missing.
     *
     * @param chosen the prompt with the better answer
     * @param rejected the same prompt with the other one
     * @param margin by how much the first is better, or null
     */
    public PreferencePair {
        Objects.requireNonNull(chosen, "chosen");
        Objects.requireNonNull(rejected, "rejected");
    }

    /**
     * Refuses answers that cannot be compared, from which no preference can be learned.
     *
     * @throws org.finetune4j.UserErrorException when an answer is empty, both are the same, or their prompts differ
     */
    public void requireComparable() {
        JudgedAnswers.requireComparable(chosen, rejected);
    }

    /**
     * A pair without a margin.
     *
     * @param chosen the prompt with the better answer
     * @param rejected the same prompt with the other one
     */
    public PreferencePair(Supervised chosen, Supervised rejected) {
        this(chosen, rejected, null);
    }
}
