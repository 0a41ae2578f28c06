package org.finetune4j.rlhf.preference.loss;

/**
 * A hinge (Zhao et al. 2023, SLiC): {@code max(0, 1 - beta (r_chosen - r_rejected))}.
 *
 * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
 */
public record HingeLoss(double beta) implements PairLoss {

    /**
     * Checks the settings.
     *
     * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
     * @throws org.finetune4j.UserErrorException when a setting is out of its range
     */
    public HingeLoss {
        LossSettings.requireBeta(beta);
    }

    @Override
    public Value of(Answer chosen, Answer rejected) {
        double missing = 1 - beta * (chosen.ratio() - rejected.ratio());
        return Value.ofDifference(Math.max(0, missing), missing > 0 ? -beta : 0);
    }
}
