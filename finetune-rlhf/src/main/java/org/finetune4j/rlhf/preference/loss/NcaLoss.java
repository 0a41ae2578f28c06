package org.finetune4j.rlhf.preference.loss;

/**
 * NCA for pairs (Chen et al. 2024): {@code -log sigmoid(c) - log sigmoid(-c) / 2 - log sigmoid(-r) / 2} with the rewards c and
 * r of the chosen and the rejected answer.
 *
 * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
 */
public record NcaLoss(double beta) implements PairLoss {

    /**
     * Checks the settings.
     *
     * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
     * @throws org.finetune4j.UserErrorException when a setting is out of its range
     */
    public NcaLoss {
        LossSettings.requireBeta(beta);
    }

    @Override
    public Value of(Answer chosen, Answer rejected) {
        double c = reward(chosen);
        double r = reward(rejected);
        return new Value(
                -Logistic.logSigmoid(c) - 0.5 * Logistic.logSigmoid(-c) - 0.5 * Logistic.logSigmoid(-r),
                beta * (0.5 * Logistic.sigmoid(c) - Logistic.sigmoid(-c)),
                beta * 0.5 * Logistic.sigmoid(r));
    }
}
