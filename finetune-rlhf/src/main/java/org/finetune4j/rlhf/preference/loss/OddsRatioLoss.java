package org.finetune4j.rlhf.preference.loss;

/**
 * What ORPO (Hong et al. 2024) adds to the likelihood of the chosen answer: {@code -beta log sigmoid(x)} with the logarithm of
 * the ratio of odds x = log(p / (1 - p))_chosen - log(p / (1 - p))_rejected, where log p is an answer's log-probability a
 * token. Answers are given without a reference.
 *
 * @param beta the weight of this term, lambda in the paper
 */
public record OddsRatioLoss(double beta) implements PairLoss {

    /**
     * Checks the settings.
     *
     * @param beta the weight of this term, lambda in the paper
     * @throws org.finetune4j.UserErrorException when a setting is out of its range
     */
    public OddsRatioLoss {
        LossSettings.requireBeta(beta);
    }

    /**
     * By how much the odds of the chosen answer are better.
     *
     * @param chosen the preferred answer
     * @param rejected the other one
     * @return the logarithm of the ratio
     */
    public static double logOddsRatio(Answer chosen, Answer rejected) {
        double c = logprob(chosen);
        double r = logprob(rejected);
        return c - r - (Math.log(-Math.expm1(c)) - Math.log(-Math.expm1(r)));
    }

    /** A certain answer has infinite odds: it counts as one that is nearly so. */
    private static double logprob(Answer answer) {
        return Math.min(answer.averageRatio(), -1e-9);
    }

    @Override
    public boolean averages() {
        return true;
    }

    @Override
    public Value of(Answer chosen, Answer rejected) {
        double c = logprob(chosen);
        double r = logprob(rejected);
        double x = logOddsRatio(chosen, rejected);
        double slope = -beta * Logistic.sigmoid(-x);
        return new Value(
                -beta * Logistic.logSigmoid(x),
                slope / (-Math.expm1(c) * chosen.tokens()),
                -slope / (-Math.expm1(r) * rejected.tokens()));
    }
}
