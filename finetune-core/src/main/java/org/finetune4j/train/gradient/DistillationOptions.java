package org.finetune4j.train.gradient;

/**
 * How a student is compared with its teacher. For a token with the teacher's distribution p and the student's q, both at a temperature:
 *
 * <pre>
 * beta = 0        KL(p, q), forward
 * beta = 1        KL(q, p), reverse
 * between them    beta KL(p, m) + (1 - beta) KL(q, m),  m = beta p + (1 - beta) q
 * </pre>
 *
 * as TRL's {@code GKDTrainer} has it (Agarwal et al. 2024, arXiv:2306.13649). The temperature adds no factor.
 *
 * @param beta between the divergences, from 0 to 1
 * @param temperature what both models' scores are divided by, above 0
 * @param alpha the divergence's part of the loss, from 0 to 1; the rest is the cross entropy of the labels
 */
public record DistillationOptions(double beta, double temperature, double alpha) {

    /** Teacher and student to the same parts, nothing of the labels. */
    public static final DistillationOptions DEFAULT = new DistillationOptions(0.5, 1, 1);

    /**
     * Checks the numbers.
     *
     * @param beta between the divergences, from 0 to 1
     * @param temperature what both models' scores are divided by, above 0
     * @param alpha the divergence's part of the loss, from 0 to 1
     * @throws IllegalArgumentException when one is outside of its range
     */
    public DistillationOptions {
        if (!(beta >= 0 && beta <= 1)) {
            throw new IllegalArgumentException("beta must be from 0 to 1: " + beta);
        }
        if (!(temperature > 0)) {
            throw new IllegalArgumentException("the temperature must be above 0: " + temperature);
        }
        if (!(alpha >= 0 && alpha <= 1)) {
            throw new IllegalArgumentException("alpha must be from 0 to 1: " + alpha);
        }
    }
}
