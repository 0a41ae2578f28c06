package org.finetune4j.rlhf.preference.loss;

/**
 * IPO (Azar et al. 2023): {@code (d - 1 / (2 beta))^2}, where d is the difference of the answers' log-ratios a token.
 *
 * @param beta the strength of the pull towards the reference, tau in the paper
 */
public record IpoLoss(double beta) implements PairLoss {

    /**
     * Checks the settings.
     *
     * @param beta the strength of the pull towards the reference, tau in the paper
     * @throws org.finetune4j.UserErrorException when a setting is out of its range
     */
    public IpoLoss {
        LossSettings.requireBeta(beta);
    }

    @Override
    public Value of(Answer chosen, Answer rejected) {
        double missing = chosen.averageRatio() - rejected.averageRatio() - 1 / (2 * beta);
        return new Value(missing * missing, 2 * missing / chosen.tokens(), -2 * missing / rejected.tokens());
    }
}
