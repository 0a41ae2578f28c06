package org.finetune4j.train.gradient;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A number that is averaged over batches, such as how many of the pairs are ranked rightly.
 *
 * @param sum over what was looked at
 * @param count how much was looked at
 */
public record Average(double sum, double count) {

    /**
     * The mean of some numbers.
     *
     * @param values any number of them
     * @return their average, of which each counts as one
     */
    public static Average of(double... values) {
        double sum = 0;
        for (double value : values) {
            sum += value;
        }
        return new Average(sum, values.length);
    }

    /**
     * Both together.
     *
     * @param other the other one
     * @return over all that both looked at
     */
    public Average plus(Average other) {
        return new Average(sum + other.sum, count + other.count);
    }

    /** {@return the mean; not a number where nothing was looked at} */
    public double mean() {
        return sum / count;
    }

    /**
     * Adds averages to those of the same names.
     *
     * @param all is changed
     * @param more what is added
     */
    public static void addAll(Map<String, Average> all, Map<String, Average> more) {
        more.forEach((name, average) -> all.merge(name, average, Average::plus));
    }

    /**
     * The means.
     *
     * @param averages by name
     * @return by the same names, in the same order
     */
    public static Map<String, Double> means(Map<String, Average> averages) {
        Map<String, Double> means = new LinkedHashMap<>();
        averages.forEach((name, average) -> means.put(name, average.mean()));
        return means;
    }
}
