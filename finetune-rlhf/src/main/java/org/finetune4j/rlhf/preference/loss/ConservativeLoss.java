package org.finetune4j.rlhf.preference.loss;

/**
 * Conservative DPO (Mitchell 2023), which expects a share e of the pairs to be the wrong way round:
 * {@code -(1 - e) log sigmoid(x) - e log sigmoid(-x)} with x = beta (r_chosen - r_rejected). Without a reference this is CPO.
 *
 * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
 * @param labelSmoothing the share of pairs that is taken to be the wrong way round
 */
public record ConservativeLoss(double beta, double labelSmoothing) implements PairLoss {

    /**
     * Checks the settings.
     *
     * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
     * @param labelSmoothing the share of pairs that is taken to be the wrong way round
     * @throws org.finetune4j.UserErrorException when a setting is out of its range
     */
    public ConservativeLoss {
        LossSettings.requireBeta(beta);
        LossSettings.requireSmoothing("cdpo", labelSmoothing, true, 1);
    }

    @Override
    public Value of(Answer chosen, Answer rejected) {
        double x = beta * (chosen.ratio() - rejected.ratio());
        return Value.ofDifference(
                -(1 - labelSmoothing) * Logistic.logSigmoid(x) - labelSmoothing * Logistic.logSigmoid(-x),
                beta * (labelSmoothing * Logistic.sigmoid(x) - (1 - labelSmoothing) * Logistic.sigmoid(-x)));
    }
}
