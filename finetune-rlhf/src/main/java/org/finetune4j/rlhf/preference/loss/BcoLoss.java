package org.finetune4j.rlhf.preference.loss;

/**
 * BCO for pairs (Jung et al. 2024) without its moving threshold: {@code -log sigmoid(c) - log sigmoid(-r)} with the rewards c
 * and r of the chosen and the rejected answer.
 *
 * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
 */
public record BcoLoss(double beta) implements PairLoss {

    /**
     * Checks the settings.
     *
     * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
     * @throws org.finetune4j.UserErrorException when a setting is out of its range
     */
    public BcoLoss {
        LossSettings.requireBeta(beta);
    }

    @Override
    public Value of(Answer chosen, Answer rejected) {
        double c = reward(chosen);
        double r = reward(rejected);
        return new Value(
                -Logistic.logSigmoid(c) - Logistic.logSigmoid(-r),
                -beta * Logistic.sigmoid(-c),
                beta * Logistic.sigmoid(r));
    }
}
