package org.finetune4j.rlhf.policy;

import java.util.Arrays;

/**
 * Mean and spread of some numbers.
 *
 * @param count how many they are
 * @param mean their mean; 0 where there is none
 * @param variance the unbiased one; 0 of fewer than two numbers
 */
public record Statistics(long count, double mean, double variance) {

    /** What float32's rounding makes of equal numbers, of their square. */
    private static final double ROUNDING = 1e-13;

    /**
     * Describes numbers.
     *
     * @param values any number of them
     * @return their statistics
     */
    public static Statistics of(double[] values) {
        double mean = Arrays.stream(values).average().orElse(0);
        double squares = 0;
        for (double value : values) {
            squares += (value - mean) * (value - mean);
        }
        return new Statistics(values.length, mean, values.length < 2 ? 0 : squares / (values.length - 1));
    }

    /**
     * The standard deviation.
     *
     * @return the root of the variance
     */
    public double deviation() {
        return Math.sqrt(variance);
    }

    /**
     * How much of the spread of what was to be estimated is explained by the estimates:
     * {@code 1 - Var(actual - estimate) / Var(actual)}.
     *
     * @param actual what was to be estimated
     * @param estimates as many
     * @return 1 for perfect estimates, 0 for none better than a constant, below 0 for worse; NaN where nothing varies
     */
    public static double explainedVariance(double[] actual, double[] estimates) {
        Answers.requireSameLength(actual, estimates);
        double[] errors = new double[actual.length];
        Arrays.setAll(errors, i -> actual[i] - estimates[i]);
        Statistics all = of(actual);
        boolean isConstant = all.variance <= ROUNDING * all.mean * all.mean;
        return isConstant ? Double.NaN : 1 - of(errors).variance() / all.variance;
    }
}
