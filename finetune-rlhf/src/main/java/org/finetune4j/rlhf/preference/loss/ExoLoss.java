package org.finetune4j.rlhf.preference.loss;

/**
 * EXO for pairs (Ji et al. 2024): the divergence of the model's choice, q = sigmoid(beta (r_chosen - r_rejected)), from one
 * that is right with probability 1 - e: {@code q log(q / (1 - e)) + (1 - q) log((1 - q) / e)}.
 *
 * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
 * @param labelSmoothing e, above 0: the share of pairs that is taken to be the wrong way round
 */
public record ExoLoss(double beta, double labelSmoothing) implements PairLoss {

    /**
     * Checks the settings.
     *
     * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
     * @param labelSmoothing e, above 0: the share of pairs that is taken to be the wrong way round
     * @throws org.finetune4j.UserErrorException when a setting is out of its range
     */
    public ExoLoss {
        LossSettings.requireBeta(beta);
        LossSettings.requireSmoothing("exo_pair", labelSmoothing, false, 1);
    }

    @Override
    public Value of(Answer chosen, Answer rejected) {
        double x = beta * (chosen.ratio() - rejected.ratio());
        double q = Logistic.sigmoid(x);
        double forRight = Logistic.logSigmoid(x) - Math.log1p(-labelSmoothing);
        double forWrong = Logistic.logSigmoid(-x) - Math.log(labelSmoothing);
        return Value.ofDifference(
                q * forRight + Logistic.sigmoid(-x) * forWrong, beta * Logistic.slope(x) * (forRight - forWrong));
    }
}
