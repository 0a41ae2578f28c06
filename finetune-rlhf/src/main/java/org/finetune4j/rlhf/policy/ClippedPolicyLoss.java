package org.finetune4j.rlhf.policy;

/**
 * PPO's loss of a policy (Schulman et al. 2017, arXiv:1707.06347): {@code -min(ratio A, clamp(ratio, 1 - low, 1 + high) A)}, where the
 * ratio is that of the token's probability now and when it was drawn. A ratio that has gone as far as it may is not pushed on.
 *
 * @param low how far below 1 the ratio may go
 * @param high how far above 1 it may go; infinite for a plain policy gradient
 */
public record ClippedPolicyLoss(double low, double high) {

    /**
     * The same range to both sides.
     *
     * @param range how far the ratio may go
     * @return the loss
     */
    public static ClippedPolicyLoss of(double range) {
        return new ClippedPolicyLoss(range, range);
    }

    /**
     * The loss of one decision.
     *
     * @param loss its value
     * @param derivative d(loss) / d(logarithm of the ratio)
     * @param clippedLow whether the ratio is below the range and the loss does not see it
     * @param clippedHigh whether it is above
     */
    public record Value(double loss, double derivative, boolean clippedLow, boolean clippedHigh) {

        /**
         * Whether the loss does not see the ratio.
         *
         * @return to either side
         */
        public boolean clipped() {
            return clippedLow || clippedHigh;
        }
    }

    /**
     * The loss of one decision, a token's or a whole answer's.
     *
     * @param logRatio the logarithm of its probability now by that when it was drawn
     * @param advantage by how much it was better than expected
     * @return the loss and its derivative
     */
    public Value of(double logRatio, double advantage) {
        double ratio = Math.exp(logRatio);
        boolean clippedLow = ratio < 1 - low && advantage < 0;
        boolean clippedHigh = ratio > 1 + high && advantage > 0;
        if (clippedLow) {
            return new Value(-(1 - low) * advantage, 0, true, false);
        }
        if (clippedHigh) {
            return new Value(-(1 + high) * advantage, 0, false, true);
        }
        double loss = -ratio * advantage;
        return new Value(loss, loss, false, false);
    }
}
