package org.finetune4j.generate.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.HashMap;
import java.util.Map;
import org.finetune4j.Reasons;
import org.jspecify.annotations.Nullable;

/** Numbers of a schema: bounds, {@code multipleOf}, and the formats {@code int32} and {@code int64}. */
final class NumberSchema {

    /** Two decimals of so many digits are two doubles: what is within bounds here is so to every reader. */
    private static final int MOST_DIGITS = 15;

    private static final int LONGEST_BOUND = 40;

    private final Map<NumberRange, NumberMachine> machines = new HashMap<>();
    private int states = NumberRange.MOST_STATES;

    /** @param any what is read where nothing is asked for */
    Element read(JsonNode schema, boolean whole, Element any, String path) {
        BigDecimal least = number(schema, "minimum", path);
        BigDecimal most = number(schema, "maximum", path);
        BigDecimal above = number(schema, "exclusiveMinimum", path);
        BigDecimal below = number(schema, "exclusiveMaximum", path);
        BigDecimal multiple = number(schema, "multipleOf", path);
        int bits = !whole
                ? 0
                : switch (schema.path("format").asText()) {
                    case "int32" -> 31;
                    case "int64" -> 63;
                    default -> 0;
                };
        if (bits > 0) {
            BigDecimal end = BigDecimal.valueOf(2).pow(bits);
            least = least == null ? end.negate() : least.max(end.negate());
            below = below == null ? end : below.min(end);
        }
        if (least == null && most == null && above == null && below == null && multiple == null) {
            return any;
        }
        if (multiple != null && multiple.signum() <= 0) {
            throw SchemaKeywords.wrong(path, "'multipleOf' is " + multiple + ", expected more than 0");
        }
        boolean leastIsIn = above == null || (least != null && least.compareTo(above) > 0);
        boolean mostIsIn = below == null || (most != null && most.compareTo(below) < 0);
        NumberRange range =
                range(leastIsIn ? least : above, leastIsIn, mostIsIn ? most : below, mostIsIn, multiple, whole);
        NumberMachine known = machines.get(range);
        if (known == null) {
            try {
                known = range.machine(states);
            } catch (GrammarException e) {
                throw SchemaKeywords.wrong(path, "the bounds of the number are not implemented: " + e.getMessage());
            }
            states -= known.states();
            machines.put(range, known);
        }
        return known;
    }

    /** Bounds of whole numbers are whole, so that what is within them is found out sooner. */
    private static NumberRange range(
            @Nullable BigDecimal least,
            boolean leastIsIn,
            @Nullable BigDecimal most,
            boolean mostIsIn,
            @Nullable BigDecimal multiple,
            boolean whole) {
        if (!whole) {
            return new NumberRange(least, leastIsIn, most, mostIsIn, multiple, MOST_DIGITS, true);
        }
        BigDecimal first = least == null ? null : least.setScale(0, RoundingMode.CEILING);
        if (first != null && !leastIsIn && first.compareTo(least) == 0) {
            first = first.add(BigDecimal.ONE);
        }
        BigDecimal last = most == null ? null : most.setScale(0, RoundingMode.FLOOR);
        if (last != null && (mostIsIn || last.compareTo(most) < 0)) {
            last = last.add(BigDecimal.ONE);
        }
        int digits = Math.max(JsonElements.MOST_INTEGER_DIGITS, Math.max(digits(first), digits(last)));
        return new NumberRange(first, true, last, false, multiple, Math.min(digits, LONGEST_BOUND), false);
    }

    private static int digits(@Nullable BigDecimal bound) {
        return bound == null ? 0 : bound.precision() - bound.scale();
    }

    private static @Nullable BigDecimal number(JsonNode schema, String key, String path) {
        JsonNode value = schema.path(key);
        if (value.isMissingNode()) {
            return null;
        }
        if (!value.isNumber() || !Double.isFinite(value.doubleValue())) {
            throw SchemaKeywords.wrong(
                    path, "'" + key + "' is " + Reasons.excerpt(value.toString()) + ", expected a number");
        }
        return value.decimalValue();
    }
}
