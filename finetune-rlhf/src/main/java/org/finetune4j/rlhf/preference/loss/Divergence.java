package org.finetune4j.rlhf.preference.loss;

/**
 * How far from the reference is meant (Wang et al. 2023, f-DPO, arXiv:2309.16240): what takes the place of an answer's log-ratio r in a loss, the
 * derivative of a divergence's function at exp(r).
 */
public sealed interface Divergence {

    /**
     * The value that takes the place of a log-ratio in the loss.
     *
     * @param ratio the log-ratio
     * @return grows with it
     */
    double score(double ratio);

    /**
     * The derivative of {@link #score}.
     *
     * @param ratio the log-ratio
     * @return d(score) / d(ratio), not below 0
     */
    double slope(double ratio);

    /** The forward divergence: {@code 1 - exp(-r)}. */
    record ForwardKl() implements Divergence {

        @Override
        public double score(double ratio) {
            return 1 - exp(-ratio);
        }

        @Override
        public double slope(double ratio) {
            return expSlope(-ratio);
        }
    }

    /** Jensen and Shannon's: {@code log 2 + log sigmoid(r)}. */
    record JensenShannon() implements Divergence {

        @Override
        public double score(double ratio) {
            return Math.log(2) + Logistic.logSigmoid(ratio);
        }

        @Override
        public double slope(double ratio) {
            return Logistic.sigmoid(-ratio);
        }
    }

    /**
     * The alpha divergence: {@code (exp((alpha - 1) r) - 1) / (alpha - 1)}, and r itself where alpha is 1.
     *
     * @param alpha any number
     */
    record Alpha(double alpha) implements Divergence {

        @Override
        public double score(double ratio) {
            return isReverse() ? ratio : (exp((alpha - 1) * ratio) - 1) / (alpha - 1);
        }

        @Override
        public double slope(double ratio) {
            return isReverse() ? 1 : expSlope((alpha - 1) * ratio);
        }

        private boolean isReverse() {
            return Math.abs(alpha - 1) < 1e-6;
        }
    }

    /** What TRL's exponents go up to. */
    private static double largest() {
        return 80;
    }

    private static double exp(double x) {
        return Math.exp(Math.min(x, largest()));
    }

    private static double expSlope(double x) {
        return x < largest() ? Math.exp(x) : 0;
    }
}
