package org.finetune4j.model.chat.jinja;

import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.Predicate;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** Jinja2's tests, {@code x is ...}. */
final class TemplateTests {

    @FunctionalInterface
    private interface Body {
        boolean test(@Nullable Object value, TemplateArguments given);
    }

    private static final Map<String, Body> ALL = all();

    private TemplateTests() {}

    private static Map<String, Body> all() {
        Map<String, Body> tests = new HashMap<>();
        tests.put("defined", plain(value -> !(value instanceof Undefined)));
        tests.put("undefined", plain(value -> value instanceof Undefined));
        tests.put("none", plain(value -> value == null));
        tests.put("boolean", plain(value -> value instanceof Boolean));
        tests.put("true", plain(Boolean.TRUE::equals));
        tests.put("false", plain(Boolean.FALSE::equals));
        tests.put("integer", plain(value -> value instanceof Number && !PythonNumbers.isReal(value)));
        tests.put("float", plain(PythonNumbers::isReal));
        tests.put("number", plain(PythonNumbers::isNumber));
        tests.put("string", plain(value -> value instanceof CharSequence));
        tests.put("mapping", plain(value -> value instanceof Map));
        tests.put("sequence", plain(TemplateTests::isSequence));
        tests.put(
                "iterable",
                plain(value -> isSequence(value) || value instanceof Iterator || value instanceof PythonMethods.View));
        tests.put("callable", plain(value -> value instanceof TemplateCallable));
        tests.put("odd", (value, given) -> remainder(value, 2L, given) == 1);
        tests.put("even", (value, given) -> remainder(value, 2L, given) == 0);
        tests.put("divisibleby", (value, given) -> remainder(value, given.required(0, "num"), given) == 0);
        tests.put("lower", (value, given) -> isCase(value, "islower", given));
        tests.put("upper", (value, given) -> isCase(value, "isupper", given));
        tests.put("filter", plain(value -> value instanceof CharSequence && TemplateFilters.isKnown(value.toString())));
        tests.put("test", plain(value -> value instanceof CharSequence && isKnown(value.toString())));
        tests.put("sameas", (value, given) -> isSame(value, given.required(0, "other")));
        comparison(tests, "==", "eq", "equalto", "==");
        comparison(tests, "!=", "ne", "!=");
        comparison(tests, "<", "lt", "lessthan", "<");
        comparison(tests, "<=", "le", "<=");
        comparison(tests, ">", "gt", "greaterthan", ">");
        comparison(tests, ">=", "ge", ">=");
        comparison(tests, "in", "in");
        return Map.copyOf(tests);
    }

    private static void comparison(Map<String, Body> tests, String operator, String... names) {
        for (String name : names) {
            tests.put(
                    name,
                    (value, given) ->
                            PythonOperators.compare(operator, value, given.required(0, "other"), given.budget()));
        }
    }

    private static Body plain(Predicate<@Nullable Object> predicate) {
        return (value, given) -> predicate.test(value);
    }

    private static boolean isSequence(@Nullable Object value) {
        // What is not defined is empty, and so a sequence.
        return value instanceof CharSequence
                || value instanceof Map
                || value instanceof Undefined
                || (value instanceof List && !(value instanceof PythonMethods.View));
    }

    private static long remainder(@Nullable Object value, @Nullable Object divisor, TemplateArguments given) {
        if (PythonOperators.binary("%", value, divisor, given.budget()) instanceof Number remainder) {
            return remainder.longValue();
        }
        throw new UserErrorException(
                "the chat template divides a '" + PythonValues.typeName(value) + "', which is no number");
    }

    private static boolean isCase(@Nullable Object value, String method, TemplateArguments given) {
        TemplateArguments nothing = TemplateArguments.none(method, given.budget());
        return Boolean.TRUE.equals(PythonTextMethods.call(PythonText.str(value, given.budget()), method, nothing));
    }

    private static boolean isSame(@Nullable Object value, @Nullable Object other) {
        return value == other
                || (value instanceof Boolean && value.equals(other))
                || (value instanceof Number && other instanceof Number && value.equals(other))
                || (value instanceof String && value.equals(other));
    }

    static boolean isKnown(String name) {
        return ALL.containsKey(name);
    }

    /** @throws UserErrorException when there is no such test */
    static void check(String name) {
        if (!isKnown(name)) {
            throw new UserErrorException(
                    "a test '" + name + "' is not known" + Suggestions.didYouMean(name, ALL.keySet()));
        }
    }

    static boolean test(String name, @Nullable Object value, TemplateArguments given) {
        check(name);
        return Objects.requireNonNull(ALL.get(name)).test(value, given);
    }

    /** Lower case, for comparisons that ignore it. */
    static @Nullable Object folded(@Nullable Object value) {
        return value instanceof CharSequence text ? text.toString().toLowerCase(Locale.ROOT) : value;
    }
}
