package org.finetune4j.rlhf.preference.loss;

/** The logistic function and its logarithm, without overflow. */
final class Logistic {

    private Logistic() {}

    /** 1 / (1 + exp(-x)). */
    static double sigmoid(double x) {
        return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
    }

    /** The derivative of the above. */
    static double slope(double x) {
        return sigmoid(x) * sigmoid(-x);
    }

    /** log(sigmoid(x)); its derivative is sigmoid(-x). */
    static double logSigmoid(double x) {
        return Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
    }
}
