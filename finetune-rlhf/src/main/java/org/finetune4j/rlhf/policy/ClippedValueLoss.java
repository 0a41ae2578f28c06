package org.finetune4j.rlhf.policy;

/**
 * PPO's loss of a value head: half the square of the error, or of the error of the estimate held within a range about the one that
 * it gave when the answer was drawn, whichever is larger.
 *
 * @param range how far an estimate is followed; infinite for plain squares
 */
public record ClippedValueLoss(double range) {

    /**
     * The loss of one estimate.
     *
     * @param loss its value
     * @param derivative d(loss) / d(estimate)
     * @param clipped whether the held estimate's error is the larger one
     */
    public record Value(double loss, double derivative, boolean clipped) {}

    /**
     * The loss of one estimate.
     *
     * @param estimate what the head says now
     * @param before what it said when the answer was drawn
     * @param actual what it should have said
     * @return the loss and its derivative
     */
    public Value of(double estimate, double before, double actual) {
        double held = Math.max(before - range, Math.min(before + range, estimate));
        double error = estimate - actual;
        double heldError = held - actual;
        if (heldError * heldError > error * error) {
            return new Value(heldError * heldError / 2, 0, true);
        }
        return new Value(error * error / 2, error, false);
    }
}
