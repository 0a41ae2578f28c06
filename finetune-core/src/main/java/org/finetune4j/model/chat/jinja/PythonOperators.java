package org.finetune4j.model.chat.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** Python's binary operators on values of any type. */
final class PythonOperators {

    private static final int MAX_REPEATED = 1 << 24;

    private PythonOperators() {}

    static Object binary(String operator, @Nullable Object a, @Nullable Object b) {
        if (a instanceof Undefined missing) {
            throw missing.error();
        }
        if (operator.equals("%") && a instanceof CharSequence text && !(a instanceof PythonMarkup)) {
            return PythonFormat.percent(text.toString(), b);
        }
        if (b instanceof Undefined missing) {
            throw missing.error();
        }
        if (a != null && b != null && PythonNumbers.isNumber(a) && PythonNumbers.isNumber(b)) {
            return PythonNumbers.calculate(operator, a, b);
        }
        if (operator.equals("+") && a instanceof CharSequence left && b instanceof CharSequence right) {
            return PythonMarkup.concatenated(left, right);
        }
        if (operator.equals("+")
                && a instanceof List<?> left
                && b instanceof List<?> right
                && a instanceof PythonTuple == b instanceof PythonTuple) {
            List<@Nullable Object> both = new ArrayList<>(left);
            both.addAll(right);
            return a instanceof PythonTuple ? new PythonTuple(both) : both;
        }
        if (operator.equals("*") && isSequence(a) && isCount(b)) {
            return repeated(a, PythonNumbers.index(b));
        }
        if (operator.equals("*") && isSequence(b) && isCount(a)) {
            return repeated(b, PythonNumbers.index(a));
        }
        throw new UserErrorException("the chat template asks for '" + PythonValues.typeName(a) + "' " + operator + " '"
                + PythonValues.typeName(b) + "'");
    }

    private static boolean isSequence(@Nullable Object value) {
        return value instanceof CharSequence || value instanceof List;
    }

    private static boolean isCount(@Nullable Object value) {
        return PythonNumbers.isNumber(value) && !PythonNumbers.isReal(value);
    }

    private static Object repeated(@Nullable Object value, int times) {
        int count = Math.max(times, 0);
        if (PythonValues.length(value) * count > MAX_REPEATED) {
            throw new UserErrorException("the chat template repeats a text too often");
        }
        if (value instanceof CharSequence text) {
            return PythonMarkup.like(text, text.toString().repeat(count));
        }
        List<@Nullable Object> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            all.addAll((List<?>) Objects.requireNonNull(value));
        }
        return value instanceof PythonTuple ? new PythonTuple(all) : all;
    }

    /** {@code -value} or {@code +value}. */
    static Number signed(@Nullable Object value, boolean negative) {
        if (value instanceof Undefined missing) {
            throw missing.error();
        }
        if (value == null || !PythonNumbers.isNumber(value)) {
            throw new UserErrorException(
                    "the chat template puts a sign before a value of type '" + PythonValues.typeName(value) + "'");
        }
        if (PythonNumbers.isReal(value)) {
            return negative ? -PythonNumbers.real(value) : PythonNumbers.real(value);
        }
        return PythonNumbers.calculate(negative ? "-" : "+", 0L, value);
    }

    static boolean compare(String operator, @Nullable Object a, @Nullable Object b) {
        return switch (operator) {
            case "eq" -> PythonValues.equal(a, b);
            case "ne" -> !PythonValues.equal(a, b);
            case "lt" -> PythonValues.compare(a, b) < 0;
            case "le" -> PythonValues.compare(a, b) <= 0;
            case "gt" -> PythonValues.compare(a, b) > 0;
            case "ge" -> PythonValues.compare(a, b) >= 0;
            case "in" -> PythonValues.contains(b, a);
            case "notin" -> !PythonValues.contains(b, a);
            default -> throw new IllegalArgumentException(operator);
        };
    }
}
