package org.finetune4j.rlhf.preference.loss;

/**
 * Robust DPO (Chowdhury et al. 2024), unbiased where a known share e of the pairs is the wrong way round:
 * {@code (-(1 - e) log sigmoid(x) + e log sigmoid(-x)) / (1 - 2 e)} with x = beta (r_chosen - r_rejected).
 *
 * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
 * @param labelSmoothing the share of pairs that is taken to be the wrong way round
 */
public record RobustLoss(double beta, double labelSmoothing) implements PairLoss {

    /**
     * Checks the settings.
     *
     * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
     * @param labelSmoothing the share of pairs that is taken to be the wrong way round
     * @throws org.finetune4j.UserErrorException when a setting is out of its range
     */
    public RobustLoss {
        LossSettings.requireBeta(beta);
        LossSettings.requireSmoothing("robust", labelSmoothing, true, 0.5);
    }

    @Override
    public Value of(Answer chosen, Answer rejected) {
        double x = beta * (chosen.ratio() - rejected.ratio());
        double all = 1 - 2 * labelSmoothing;
        double right = (1 - labelSmoothing) / all;
        double wrong = labelSmoothing / all;
        return Value.ofDifference(
                -right * Logistic.logSigmoid(x) + wrong * Logistic.logSigmoid(-x),
                beta * (-right * Logistic.sigmoid(-x) - wrong * Logistic.sigmoid(x)));
    }
}
