package org.finetune4j.train.report;

import java.math.BigDecimal;
import java.math.MathContext;
import java.time.Duration;
import java.util.Locale;

/** Numbers as people read them on the console and in the report; the same in every locale. */
final class MetricFormat {

    private MetricFormat() {}

    /** A loss, a norm: four decimals, fewer for large values. */
    static String decimal(double value) {
        if (!Double.isFinite(value)) {
            return Double.toString(value);
        }
        double size = Math.abs(value);
        String format = size < 100 ? "%.4f" : size < 1e6 ? "%,.1f" : "%.3e";
        return String.format(Locale.ROOT, format, value);
    }

    static String learningRate(double value) {
        return String.format(Locale.ROOT, "%.2e", value);
    }

    /** A whole number with thousands separators. */
    static String count(double value) {
        return Double.isFinite(value) ? String.format(Locale.ROOT, "%,.0f", value) : Double.toString(value);
    }

    /** 0.12345 as {@code 12.3 %}. */
    static String percent(double share) {
        return Double.isFinite(share) ? String.format(Locale.ROOT, "%.1f %%", share * 100) : Double.toString(share);
    }

    /** 134,515,008 as {@code 134.5 M}. */
    static String magnitude(long value) {
        String[] units = {"", " K", " M", " B", " T"};
        double scaled = value;
        int unit = 0;
        while (Math.abs(scaled) >= 999.95 && unit < units.length - 1) {
            scaled /= 1000;
            unit++;
        }
        return unit == 0 ? count((double) value) : String.format(Locale.ROOT, "%.1f%s", scaled, units[unit]);
    }

    /** {@code m:ss} or {@code h:mm:ss}. */
    static String duration(Duration duration) {
        long seconds = Math.max(0, Math.round(duration.toMillis() / 1000.0));
        return seconds < 3600
                ? String.format(Locale.ROOT, "%d:%02d", seconds / 60, seconds % 60)
                : String.format(Locale.ROOT, "%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
    }

    /** {@code 34 s}, {@code 2 min 34 s} or {@code 1 h 02 min}. */
    static String durationInWords(Duration duration) {
        long seconds = Math.max(0, Math.round(duration.toMillis() / 1000.0));
        if (seconds < 60) {
            return seconds + " s";
        }
        return seconds < 3600
                ? String.format(Locale.ROOT, "%d min %02d s", seconds / 60, seconds % 60)
                : String.format(Locale.ROOT, "%d h %02d min", seconds / 3600, seconds / 60 % 60);
    }

    /** At most four significant digits, with an exponent where zeros would fill the place. */
    static String tick(double value) {
        return tick(value, value);
    }

    /** A mark of an axis that ends at {@code largest}: all marks of an axis have an exponent, or none. */
    static String tick(double value, double largest) {
        if (!Double.isFinite(value)) {
            return Double.toString(value);
        }
        if (value == 0) {
            return "0";
        }
        BigDecimal rounded = new BigDecimal(value).round(new MathContext(4)).stripTrailingZeros();
        double size = Math.abs(largest);
        if (size >= 1e-2 && size < 1e7) {
            return Math.abs(value) < 1000 ? rounded.toPlainString() : String.format(Locale.ROOT, "%,.0f", rounded);
        }
        int exponent = rounded.precision() - rounded.scale() - 1;
        return rounded.scaleByPowerOfTen(-exponent).toPlainString() + "e" + exponent;
    }
}
