package org.finetune4j.rlhf.preference.loss;

/**
 * DPO by the log-ratios a token: {@code -log sigmoid(beta (r_chosen / n_chosen - r_rejected / n_rejected))} with the log-ratios
 * r of answers of n tokens.
 *
 * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
 */
public record NormalisedSigmoidLoss(double beta) implements PairLoss {

    /**
     * Checks the settings.
     *
     * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
     * @throws org.finetune4j.UserErrorException when a setting is out of its range
     */
    public NormalisedSigmoidLoss {
        LossSettings.requireBeta(beta);
    }

    @Override
    public Value of(Answer chosen, Answer rejected) {
        double x = beta * (chosen.averageRatio() - rejected.averageRatio());
        double slope = -beta * Logistic.sigmoid(-x);
        return new Value(-Logistic.logSigmoid(x), slope / chosen.tokens(), -slope / rejected.tokens());
    }
}
