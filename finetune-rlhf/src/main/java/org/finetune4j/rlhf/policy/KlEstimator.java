package org.finetune4j.rlhf.policy;

/**
 * How far a policy is from its reference, estimated from one token that the policy drew (Schulman 2020, "Approximating KL
 * divergence"). With {@code r = log p_policy - log p_reference}:
 */
public enum KlEstimator {

    /** {@code r}: unbiased, of either sign, of large variance. */
    K1 {
        @Override
        public double of(double policy, double reference) {
            return policy - reference;
        }

        @Override
        public double derivative(double policy, double reference) {
            return 1;
        }
    },

    /** {@code r² / 2}: never negative, biased, of small variance. */
    K2 {
        @Override
        public double of(double policy, double reference) {
            double ratio = policy - reference;
            return ratio * ratio / 2;
        }

        @Override
        public double derivative(double policy, double reference) {
            return policy - reference;
        }
    },

    /** {@code exp(-r) - 1 + r}: never negative, unbiased, of small variance near the reference. */
    K3 {
        @Override
        public double of(double policy, double reference) {
            double ratio = policy - reference;
            return Math.expm1(-ratio) + ratio;
        }

        @Override
        public double derivative(double policy, double reference) {
            return -Math.expm1(reference - policy);
        }
    };

    /**
     * The estimate for one token.
     *
     * @param policy the logarithm of the probability that the policy gives the token
     * @param reference the logarithm of the probability that the reference gives it
     * @return in nats
     */
    public abstract double of(double policy, double reference);

    /**
     * How the estimate changes with the policy's log-probability.
     *
     * @param policy the logarithm of the probability that the policy gives the token
     * @param reference the logarithm of the probability that the reference gives it
     * @return d(estimate) / d(policy)
     */
    public abstract double derivative(double policy, double reference);

    /**
     * The estimates for all tokens of one answer.
     *
     * @param policy one number a token
     * @param reference as many
     * @return as many
     */
    public double[] of(double[] policy, double[] reference) {
        Answers.requireSameLength(policy, reference);
        double[] estimates = new double[policy.length];
        for (int i = 0; i < estimates.length; i++) {
            estimates[i] = of(policy[i], reference[i]);
        }
        return estimates;
    }
}
