package org.finetune4j.rlhf.preference.loss;

/**
 * APO-zero (D'Oosterlinck et al. 2024), for chosen answers that are better than the model's own:
 * {@code 1 - sigmoid(c) + sigmoid(r)} with the rewards c and r of the chosen and the rejected answer.
 *
 * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
 */
public record ApoZeroLoss(double beta) implements PairLoss {

    /**
     * Checks the settings.
     *
     * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
     * @throws org.finetune4j.UserErrorException when a setting is out of its range
     */
    public ApoZeroLoss {
        LossSettings.requireBeta(beta);
    }

    @Override
    public Value of(Answer chosen, Answer rejected) {
        double c = reward(chosen);
        double r = reward(rejected);
        return new Value(
                Logistic.sigmoid(-c) + Logistic.sigmoid(r), -beta * Logistic.slope(c), beta * Logistic.slope(r));
    }
}
