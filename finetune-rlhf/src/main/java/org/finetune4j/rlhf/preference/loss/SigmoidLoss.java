package org.finetune4j.rlhf.preference.loss;

/**
 * DPO (Rafailov et al. 2023): {@code -log sigmoid(beta (r_chosen - r_rejected))} with the log-ratios r.
 *
 * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
 */
public record SigmoidLoss(double beta) implements PairLoss {

    /**
     * Checks the settings.
     *
     * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
     * @throws org.finetune4j.UserErrorException when a setting is out of its range
     */
    public SigmoidLoss {
        LossSettings.requireBeta(beta);
    }

    @Override
    public Value of(Answer chosen, Answer rejected) {
        double x = beta * (chosen.ratio() - rejected.ratio());
        return Value.ofDifference(-Logistic.logSigmoid(x), -beta * Logistic.sigmoid(-x));
    }
}
