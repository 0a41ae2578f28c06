package org.finetune4j.rlhf.preference.loss;

import org.finetune4j.UserErrorException;

/** Refuses settings under which a loss means nothing. */
final class LossSettings {

    private LossSettings() {}

    static void requireBeta(double beta) {
        if (!(beta > 0) || Double.isInfinite(beta)) {
            throw new UserErrorException("beta is " + beta + ", expected a number above 0");
        }
    }

    static void requireTau(double tau) {
        if (!(tau > 0) || tau > 1) {
            throw new UserErrorException("discopop_tau is " + tau + ", expected a number above 0 and at most 1");
        }
    }

    /** @param low whether 0 itself is fine */
    static void requireSmoothing(String loss, double smoothing, boolean low, double below) {
        if (!(low ? smoothing >= 0 : smoothing > 0) || !(smoothing < below)) {
            throw new UserErrorException("label_smoothing is " + smoothing + ", expected a number "
                    + (low ? "of at least" : "above") + " 0 and below " + below + " for loss_type " + loss);
        }
    }
}
