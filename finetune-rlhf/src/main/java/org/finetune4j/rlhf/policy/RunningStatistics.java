package org.finetune4j.rlhf.policy;

/**
 * Mean and spread of all numbers so far, in a form that goes on exactly (Chan et al. 1979).
 *
 * @param count how many they were
 * @param mean their mean
 * @param squares the sum of squared distances from it
 */
public record RunningStatistics(long count, double mean, double squares) {

    /** No number yet. */
    public static final RunningStatistics NONE = new RunningStatistics(0, 0, 0);

    /**
     * The same with more numbers.
     *
     * @param values what has come
     * @return the statistics of all
     */
    public RunningStatistics with(double[] values) {
        if (values.length == 0) {
            return this;
        }
        Statistics more = Statistics.of(values);
        long total = count + more.count();
        double distance = more.mean() - mean;
        return new RunningStatistics(
                total,
                mean + distance * more.count() / total,
                squares + more.variance() * (more.count() - 1) + distance * distance * count * more.count() / total);
    }

    /**
     * The unbiased standard deviation.
     *
     * @return 0 of fewer than two numbers
     */
    public double deviation() {
        return count < 2 ? 0 : Math.sqrt(squares / (count - 1));
    }
}
