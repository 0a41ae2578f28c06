package org.finetune4j.rlhf.preference.loss;

/**
 * DiscoPOP (Lu et al. 2024, arXiv:2406.08414): with x = {@code beta (r_chosen - r_rejected)} and the log-ratios r, a mixture of {@code -log
 * sigmoid(x)} and {@code exp(-x)}, the share of the latter being {@code sigmoid(x / tau)}.
 *
 * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
 * @param tau how sharply the mixture changes, above 0 and at most 1
 */
public record DiscopopLoss(double beta, double tau) implements PairLoss {

    /** The paper's {@code tau}. */
    public static final double DEFAULT_TAU = 0.05;

    /**
     * Checks the settings.
     *
     * @param beta how much a log-ratio counts
     * @param tau how sharply the mixture changes
     * @throws org.finetune4j.UserErrorException when a setting is out of its range
     */
    public DiscopopLoss {
        LossSettings.requireBeta(beta);
        LossSettings.requireTau(tau);
    }

    @Override
    public Value of(Answer chosen, Answer rejected) {
        double x = beta * (chosen.ratio() - rejected.ratio());
        double share = Logistic.sigmoid(x / tau);
        double shareSlope = Logistic.slope(x / tau) / tau;
        // exp(-x) alone may be too large for a number where its share is next to nothing.
        double exponential = Math.exp(Logistic.logSigmoid(x / tau) - x);
        double exponentialSlope = exponential * (Logistic.sigmoid(-x / tau) / tau - 1);
        double logistic = -Logistic.logSigmoid(x);
        double loss = logistic * (1 - share) + exponential;
        double slope = -Logistic.sigmoid(-x) * (1 - share) - logistic * shareSlope + exponentialSlope;
        return Value.ofDifference(loss, beta * slope);
    }
}
