package org.finetune4j.model.chat.jinja;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** Python's binary operators on values of any type. */
final class PythonOperators {

    private PythonOperators() {}

    static Object binary(String operator, @Nullable Object a, @Nullable Object b, RenderBudget budget) {
        if (a instanceof Undefined missing) {
            throw missing.error();
        }
        if (operator.equals("%") && a instanceof CharSequence text && !(a instanceof PythonMarkup)) {
            return PythonFormat.percent(text.toString(), b, budget);
        }
        if (b instanceof Undefined missing) {
            throw missing.error();
        }
        if (a != null && b != null && PythonNumbers.isNumber(a) && PythonNumbers.isNumber(b)) {
            return PythonNumbers.calculate(operator, a, b, budget);
        }
        if (operator.equals("+") && a instanceof CharSequence left && b instanceof CharSequence right) {
            budget.write((long) left.length() + right.length());
            return PythonMarkup.concatenated(left, right);
        }
        if (operator.equals("+")
                && a instanceof List<?> left
                && b instanceof List<?> right
                && a instanceof PythonTuple == b instanceof PythonTuple) {
            budget.elements((long) left.size() + right.size());
            List<@Nullable Object> both = new ArrayList<>(left);
            both.addAll(right);
            return a instanceof PythonTuple ? new PythonTuple(both) : both;
        }
        if (operator.equals("*") && isSequence(a) && isCount(b)) {
            return repeated(a, PythonNumbers.index(b), budget);
        }
        if (operator.equals("*") && isSequence(b) && isCount(a)) {
            return repeated(b, PythonNumbers.index(a), budget);
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

    private static Object repeated(@Nullable Object value, int times, RenderBudget budget) {
        int count = Math.max(times, 0);
        if (value instanceof CharSequence text) {
            budget.write((long) text.length() * count);
            return PythonMarkup.like(text, text.toString().repeat(count));
        }
        List<?> elements = (List<?>) Objects.requireNonNull(value);
        budget.elements((long) elements.size() * count);
        List<@Nullable Object> all = new ArrayList<>();
        for (int i = 0; i < count && !elements.isEmpty(); i++) {
            all.addAll(elements);
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
        BigInteger whole = PythonNumbers.integer(value);
        return PythonNumbers.normal(negative ? whole.negate() : whole);
    }

    static boolean compare(String operator, @Nullable Object a, @Nullable Object b, RenderBudget budget) {
        return switch (operator) {
            case "==" -> PythonValues.equal(a, b, budget);
            case "!=" -> !PythonValues.equal(a, b, budget);
            case "<" -> PythonValues.compare(a, b, budget) < 0;
            case "<=" -> PythonValues.compare(a, b, budget) <= 0;
            case ">" -> PythonValues.compare(a, b, budget) > 0;
            case ">=" -> PythonValues.compare(a, b, budget) >= 0;
            case "in" -> PythonValues.contains(b, a, budget);
            case "not in" -> !PythonValues.contains(b, a, budget);
            default -> throw new IllegalArgumentException(operator);
        };
    }
}
