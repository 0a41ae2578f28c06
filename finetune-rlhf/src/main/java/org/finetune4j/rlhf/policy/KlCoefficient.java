package org.finetune4j.rlhf.policy;

/** What a nat of divergence from the reference costs, from step to step. */
public sealed interface KlCoefficient {

    /**
     * The coefficient to begin with.
     *
     * @return at least 0
     */
    double initial();

    /**
     * The coefficient after a step.
     *
     * @param present the coefficient of that step
     * @param divergence the mean over its answers of the sum over their tokens, in nats
     * @param answers how many it had
     * @return at least 0
     */
    double next(double present, double divergence, int answers);

    /**
     * Never changes.
     *
     * @param initial the coefficient
     */
    record Fixed(double initial) implements KlCoefficient {
        @Override
        public double next(double present, double divergence, int answers) {
            return present;
        }
    }

    /**
     * Grows where the divergence is above a target and shrinks where it is below (Ziegler et al. 2019, arXiv:1909.08593, 2.2):
     * {@code coefficient *= 1 + clamp(divergence / target - 1, -0.2, 0.2) * answers / horizon}.
     *
     * @param initial the coefficient to begin with
     * @param target nats that an answer is to be from the reference
     * @param horizon answers in which the coefficient can change by about a fifth
     */
    record Adaptive(double initial, double target, double horizon) implements KlCoefficient {
        @Override
        public double next(double present, double divergence, int answers) {
            double error = Math.max(-0.2, Math.min(0.2, divergence / target - 1));
            return present * (1 + error * answers / horizon);
        }
    }
}
