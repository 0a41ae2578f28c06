package org.finetune4j.rlhf.preference.loss;

/**
 * APO-down (D'Oosterlinck et al. 2024), for chosen answers that are worse than the model's own:
 * {@code sigmoid(c) + 1 - sigmoid(c - r)} with the rewards c and r of the chosen and the rejected answer.
 *
 * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
 */
public record ApoDownLoss(double beta) implements PairLoss {

    /**
     * Checks the settings.
     *
     * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
     * @throws org.finetune4j.UserErrorException when a setting is out of its range
     */
    public ApoDownLoss {
        LossSettings.requireBeta(beta);
    }

    @Override
    public Value of(Answer chosen, Answer rejected) {
        double c = reward(chosen);
        double r = reward(rejected);
        return new Value(
                Logistic.sigmoid(c) + Logistic.sigmoid(r - c),
                beta * (Logistic.slope(c) - Logistic.slope(c - r)),
                beta * Logistic.slope(c - r));
    }
}
