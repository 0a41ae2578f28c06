package org.finetune4j.train.report;

import java.math.BigDecimal;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Turns a configuration, whatever it holds, into lines that people read. */
final class ConfigurationText {

    private ConfigurationText() {}

    /** Keys and values as texts, in order; nested maps become dotted keys. */
    static Map<String, String> flatten(Map<String, ? extends @Nullable Object> configuration) {
        Map<String, String> lines = new LinkedHashMap<>();
        configuration.forEach((key, value) -> flatten(key, value, lines));
        return lines;
    }

    private static void flatten(String key, @Nullable Object value, Map<String, String> lines) {
        if (value instanceof Map<?, ?> map && !map.isEmpty()) {
            map.forEach((inner, innerValue) -> flatten(key + "." + inner, innerValue, lines));
        } else {
            lines.put(key, text(value));
        }
    }

    private static String text(@Nullable Object value) {
        if (value == null) {
            return "none";
        }
        if (value instanceof Collection<?> items) {
            return items.stream().map(ConfigurationText::text).collect(Collectors.joining(", ", "[", "]"));
        }
        if (value instanceof Double || value instanceof Float) {
            return decimal(value.toString());
        }
        return value.toString();
    }

    /** 2.0E-4 is 0.0002 to most readers; very small and very large numbers keep their exponent. */
    private static String decimal(String number) {
        try {
            BigDecimal exact = new BigDecimal(number).stripTrailingZeros();
            int magnitude = exact.precision() - exact.scale();
            return magnitude < -8 || magnitude > 15 ? number : exact.toPlainString();
        } catch (NumberFormatException notFinite) {
            return number;
        }
    }
}
