package org.finetune4j.rlhf.preference.loss;

/**
 * SimPO (Meng et al. 2024): {@code -log sigmoid(x)} with {@code x = beta (l_chosen - l_rejected) - gamma}, where l is an answer's
 * log-probability a token; with a share e of pairs that is taken to be the wrong way round,
 * {@code -(1 - e) log sigmoid(x) - e log sigmoid(-x)}. Answers are given without a reference.
 *
 * @param beta what log-probabilities are multiplied by
 * @param gamma by how much the chosen answer is to be better
 * @param labelSmoothing the share of pairs that is taken to be the wrong way round
 */
public record SimPoLoss(double beta, double gamma, double labelSmoothing) implements PairLoss {

    /**
     * Checks the settings.
     *
     * @param beta what log-probabilities are multiplied by
     * @param gamma by how much the chosen answer is to be better
     * @param labelSmoothing the share of pairs that is taken to be the wrong way round
     * @throws org.finetune4j.UserErrorException when a setting is out of its range
     */
    public SimPoLoss {
        LossSettings.requireBeta(beta);
        LossSettings.requireSmoothing("simpo", labelSmoothing, true, 1);
        if (!Double.isFinite(gamma)) {
            throw new org.finetune4j.UserErrorException("simpo_gamma is " + gamma + ", expected a number");
        }
    }

    @Override
    public boolean averages() {
        return true;
    }

    @Override
    public Value of(Answer chosen, Answer rejected) {
        double x = reward(chosen) - reward(rejected) - gamma;
        double slope = beta * (labelSmoothing * Logistic.sigmoid(x) - (1 - labelSmoothing) * Logistic.sigmoid(-x));
        return new Value(
                -(1 - labelSmoothing) * Logistic.logSigmoid(x) - labelSmoothing * Logistic.logSigmoid(-x),
                slope / chosen.tokens(),
                -slope / rejected.tokens());
    }
}
