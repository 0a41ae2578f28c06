package org.finetune4j.rlhf.policy;

import java.util.Arrays;

/** Brings numbers to variance 1, over all tokens of all answers together; the variance is the unbiased one. */
public final class Whitening {

    private static final double EPSILON = 1e-8;

    private Whitening() {}

    /**
     * Brings numbers to mean 0 and variance 1.
     *
     * @param answers one array an answer
     * @return arrays of the same lengths
     */
    public static double[][] of(double[][] answers) {
        Statistics all = statistics(answers);
        double scale = 1 / Math.sqrt(all.variance() + EPSILON);
        return Answers.map(answers, value -> (value - all.mean()) * scale);
    }

    /**
     * Brings numbers to variance 1 about the mean that they have.
     *
     * @param answers one array an answer
     * @return arrays of the same lengths
     */
    public static double[][] keepingMean(double[][] answers) {
        double mean = statistics(answers).mean();
        return Answers.map(of(answers), value -> value + mean);
    }

    private static Statistics statistics(double[][] answers) {
        return Statistics.of(
                Arrays.stream(answers).flatMapToDouble(Arrays::stream).toArray());
    }
}
