package org.finetune4j.verify;

/**
 * The largest differences that a right float32 implementation shows.
 *
 * @param logits absolute, of logits and hidden states
 * @param loss absolute
 * @param gradient relative to the largest element of the recorded tensor, plus 1e-7
 * @param zeroGradient absolute, of gradients that are zero in exact arithmetic
 * @param mergedLogits absolute, of logits after an adapter was merged
 */
public record Tolerances(double logits, double loss, double gradient, double zeroGradient, double mergedLogits) {

    /** {@return the limits for float32} */
    public static Tolerances defaults() {
        return new Tolerances(5e-5, 1e-5, 1e-4, 1e-6, 1e-4);
    }

    /**
     * Other limits for logits (absolute) and gradients (relative).
     *
     * @param logitsAndGradients above 0
     * @return the limits
     */
    public Tolerances with(double logitsAndGradients) {
        return new Tolerances(logitsAndGradients, loss, logitsAndGradients, zeroGradient, mergedLogits);
    }
}
