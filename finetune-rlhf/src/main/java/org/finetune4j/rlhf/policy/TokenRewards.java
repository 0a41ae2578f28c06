package org.finetune4j.rlhf.policy;

/** What every token of an answer earns: a penalty for leaving the reference at each, and the answer's score at its end. */
public final class TokenRewards {

    private TokenRewards() {}

    /**
     * {@code -coefficient * kl} at every token, and the score at the last position.
     *
     * @param kl the divergence from the reference at every token
     * @param coefficient what a nat of it costs
     * @param score of the whole answer
     * @param positions as many as there are tokens; one more where the end is a position of its own, which then has the score alone
     * @return one number a position
     */
    public static double[] of(double[] kl, double coefficient, double score, int positions) {
        if (positions < 1 || positions < kl.length || positions > kl.length + 1) {
            throw new IllegalArgumentException(kl.length + " tokens cannot have " + positions + " positions");
        }
        double[] rewards = new double[positions];
        for (int i = 0; i < kl.length; i++) {
            rewards[i] = -coefficient * kl[i];
        }
        rewards[positions - 1] += score;
        return rewards;
    }
}
