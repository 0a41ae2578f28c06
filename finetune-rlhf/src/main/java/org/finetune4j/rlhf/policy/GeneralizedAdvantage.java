package org.finetune4j.rlhf.policy;

/**
 * By how much a token was better than expected (Schulman et al. 2016, arXiv:1506.02438):
 * {@code A_t = sum over k of (gamma lambda)^k (r_{t+k} + gamma V_{t+k+1} - V_{t+k})}, where nothing is to come after the last position.
 *
 * @param gamma what a reward of the next position is worth now
 * @param lambda 0 trusts the estimates of the next position alone, 1 the rewards alone
 */
public record GeneralizedAdvantage(double gamma, double lambda) {

    /**
     * The advantages of one answer.
     *
     * @param rewards what every position earned
     * @param values what was expected from every position on
     * @return one number a position
     */
    public double[] advantages(double[] rewards, double[] values) {
        Answers.requireSameLength(rewards, values);
        double[] advantages = new double[rewards.length];
        double later = 0;
        for (int t = rewards.length - 1; t >= 0; t--) {
            double next = t + 1 < rewards.length ? values[t + 1] : 0;
            double surprise = rewards[t] + gamma * next - values[t];
            later = surprise + gamma * lambda * later;
            advantages[t] = later;
        }
        return advantages;
    }

    /**
     * What the estimates should have been: {@code A_t + V_t}.
     *
     * @param advantages of one answer
     * @param values what was expected
     * @return one number a position
     */
    public static double[] returns(double[] advantages, double[] values) {
        Answers.requireSameLength(advantages, values);
        double[] returns = new double[values.length];
        for (int t = 0; t < returns.length; t++) {
            returns[t] = advantages[t] + values[t];
        }
        return returns;
    }
}
