package org.finetune4j.rlhf.preference.loss;

/**
 * IPO (Azar et al. 2023): {@code (d - 1 / (2 beta))^2}, where d is the difference of the answers' log-ratios a token.
 *
 * @param beta the strength of the pull towards the reference, tau in the paper
 * @param averages whether rewards, too, are of a token on average: TRL reports them so without a reference (CPO)
 */
public record IpoLoss(double beta, boolean averages) implements PairLoss {

    /**
     * Checks the settings.
     *
     * @param beta the strength of the pull towards the reference, tau in the paper
     * @param averages whether rewards are of a token on average
     * @throws org.finetune4j.UserErrorException when a setting is out of its range
     */
    public IpoLoss {
        LossSettings.requireBeta(beta);
    }

    /**
     * The loss whose rewards are of whole answers, as with a reference.
     *
     * @param beta the strength of the pull towards the reference, tau in the paper
     */
    public IpoLoss(double beta) {
        this(beta, false);
    }

    @Override
    public Value of(Answer chosen, Answer rejected) {
        double missing = chosen.averageRatio() - rejected.averageRatio() - 1 / (2 * beta);
        return new Value(missing * missing, 2 * missing / chosen.tokens(), -2 * missing / rejected.tokens());
    }
}
