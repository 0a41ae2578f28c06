package org.finetune4j.rlhf.preference.loss;

/**
 * SPPO with certain winners (Wu et al. 2024): {@code (r_chosen - 1 / (2 beta))^2 + (r_rejected + 1 / (2 beta))^2} with the
 * log-ratios r.
 *
 * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
 */
public record SppoLoss(double beta) implements PairLoss {

    /**
     * Checks the settings.
     *
     * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
     * @throws org.finetune4j.UserErrorException when a setting is out of its range
     */
    public SppoLoss {
        LossSettings.requireBeta(beta);
    }

    @Override
    public Value of(Answer chosen, Answer rejected) {
        double won = chosen.ratio() - 0.5 / beta;
        double lost = rejected.ratio() + 0.5 / beta;
        return new Value(won * won + lost * lost, 2 * won, 2 * lost);
    }
}
