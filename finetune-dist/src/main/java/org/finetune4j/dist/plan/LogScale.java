package org.finetune4j.dist.plan;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A logarithmic axis.
 *
 * @param low its start, above 0
 * @param high its end
 */
record LogScale(double low, double high) {

    private static final double[] STEPS = {1, 2, 5};

    /** An axis that all values lie on. */
    static LogScale of(double... values) {
        double low = Arrays.stream(values).min().orElse(1);
        double high = Arrays.stream(values).max().orElse(1);
        return new LogScale(low / 1.2, high * 1.2);
    }

    /** Where a value lies, from 0 to 1 for those on the axis. */
    double at(double value) {
        return Math.log(value / low) / Math.log(high / low);
    }

    /** Round values on the axis. */
    List<Double> ticks() {
        List<Double> ticks = new ArrayList<>();
        for (int exponent = (int) Math.floor(Math.log10(low)); exponent <= Math.log10(high); exponent++) {
            for (double step : STEPS) {
                double tick = step * Math.pow(10, exponent);
                if (tick >= low && tick <= high) {
                    ticks.add(tick);
                }
            }
        }
        return ticks;
    }
}
