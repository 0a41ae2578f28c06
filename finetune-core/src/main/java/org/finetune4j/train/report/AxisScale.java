package org.finetune4j.train.report;

import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.LongStream;

/** The range of an axis and the round numbers that are marked on it. */
record AxisScale(double min, double max, List<Double> ticks) {

    /** Below this share of the largest value, the smallest is near enough to zero that the axis begins there. */
    private static final double ZERO_SHARE = 0.5;

    /** A range narrower than this share of its values is one value: marks could not be told apart. */
    private static final double FLAT = 1e-9;

    /** An axis from round number to round number around {@code [low, high]}; from 0 to 1 when these are NaN. */
    static AxisScale around(double low, double high, int wantedTicks) {
        if (Double.isNaN(low) || Double.isNaN(high) || (low == 0 && high == 0)) {
            return around(0, 1, wantedTicks);
        }
        boolean flat = high - low <= FLAT * Math.max(Math.abs(low), Math.abs(high));
        double from = low > 0 && (flat || low < ZERO_SHARE * high) ? 0 : low;
        double to = high < 0 && flat ? 0 : high;
        double step = roundStep((to - from) / wantedTicks);
        long first = (long) Math.floor(from / step + 1e-9);
        long last = (long) Math.ceil(to / step - 1e-9);
        List<Double> ticks = multiples(step, first, last);
        return new AxisScale(ticks.get(0), ticks.get(ticks.size() - 1), ticks);
    }

    /** An axis for steps, from 0 to exactly {@code last}, marked at whole numbers. */
    static AxisScale steps(double last, int wantedTicks) {
        double max = Math.max(1, last);
        double step = Math.max(1, roundStep(max / wantedTicks));
        return new AxisScale(0, max, multiples(step, 0, (long) Math.floor(max / step)));
    }

    /** Where {@code value} lies between min (0) and max (1). */
    double fraction(double value) {
        return (value - min) / (max - min);
    }

    /** 1, 2, 2.5 or 5 times a power of ten, at least {@code rough}. */
    private static double roundStep(double rough) {
        double power = Math.pow(10, Math.floor(Math.log10(rough)));
        return DoubleStream.of(1, 2, 2.5, 5)
                .map(factor -> factor * power)
                .filter(step -> step >= rough * (1 - 1e-9))
                .findFirst()
                .orElse(10 * power);
    }

    private static List<Double> multiples(double step, long first, long last) {
        return LongStream.rangeClosed(first, last).mapToObj(i -> i * step).toList();
    }
}
