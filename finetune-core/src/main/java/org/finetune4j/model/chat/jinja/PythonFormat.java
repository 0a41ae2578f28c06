package org.finetune4j.model.chat.jinja;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** Python's two ways to put values into a text: {@code '%s' % value} and {@code '{}'.format(value)}. */
final class PythonFormat {

    private static final Pattern PERCENT =
            Pattern.compile("%(?:\\(([^)]*)\\))?([-+ 0#]*)(\\d+)?(?:\\.(\\d+))?([a-zA-Z%])");
    private static final Pattern BRACES =
            Pattern.compile("\\{\\{|\\}\\}|\\{([^{}:!]*)(?:!([rs]))?(?::([^{}]*))?\\}|[{}]");
    private static final Pattern SPECIFICATION =
            Pattern.compile("(?:(.)?([<>^]))?([-+ ])?(0)?(\\d+)?(?:\\.(\\d+))?([sdfF])?");

    /** Digits behind the point that a double has at most. */
    private static final int MAX_FRACTION = 1100;

    private PythonFormat() {}

    /** {@code format % values}. */
    static String percent(String format, @Nullable Object values, RenderBudget budget) {
        List<?> all = values instanceof PythonTuple tuple ? tuple : Collections.singletonList(values);
        StringBuilder out = new StringBuilder();
        Matcher matcher = PERCENT.matcher(format);
        int at = 0;
        int used = 0;
        for (int next = format.indexOf('%'); next >= 0; next = format.indexOf('%', at)) {
            if (!matcher.region(next, format.length()).lookingAt()) {
                throw unknown(format);
            }
            budget.write((long) next - at + 1);
            out.append(format, at, next);
            at = matcher.end();
            if (matcher.group(5).equals("%")) {
                out.append('%');
                continue;
            }
            Object value;
            if (matcher.group(1) != null && values instanceof Map<?, ?> map && map.containsKey(matcher.group(1))) {
                value = map.get(matcher.group(1));
            } else if (matcher.group(1) == null && used < all.size()) {
                value = all.get(used++);
            } else {
                throw new UserErrorException("the chat template has too few values for the format '" + format + "'");
            }
            out.append(converted(matcher, value, format, budget));
        }
        if (used < all.size() && !(values instanceof Map) && (values instanceof PythonTuple || used == 0)) {
            throw new UserErrorException("the chat template has too many values for the format '" + format + "'");
        }
        return out.append(format.substring(at)).toString();
    }

    private static String converted(Matcher matcher, @Nullable Object value, String format, RenderBudget budget) {
        String flags = matcher.group(2);
        String precision = matcher.group(4);
        String body =
                switch (matcher.group(5)) {
                    case "s" -> limited(PythonText.str(value, budget), precision);
                    case "r" -> limited(PythonText.repr(value, budget), precision);
                    case "d", "i", "u" -> decimal(value, budget);
                    case "f", "F" -> fixed(value, count(precision, 6), budget);
                    case "x" -> PythonNumbers.integer(number(value)).toString(16);
                    default -> throw unknown(format);
                };
        boolean isNumber = !"sr".contains(matcher.group(5));
        String signed = isNumber && !body.startsWith("-")
                ? flags.contains("+") ? "+" + body : flags.contains(" ") ? " " + body : body
                : body;
        int width = count(matcher.group(3), 0);
        char align = flags.contains("-") ? '<' : '>';
        return padded(signed, width, align, ' ', isNumber && flags.contains("0") && align == '>', budget);
    }

    private static String limited(String text, @Nullable String precision) {
        if (precision == null) {
            return text;
        }
        int length = Math.min(count(precision, 0), text.codePointCount(0, text.length()));
        return text.substring(0, text.offsetByCodePoints(0, length));
    }

    private static Object number(@Nullable Object value) {
        if (value == null || !PythonNumbers.isNumber(value)) {
            throw new UserErrorException(
                    "the chat template formats a '" + PythonValues.typeName(value) + "' as a number");
        }
        return value;
    }

    /**
     * A width or precision.
     *
     * @throws UserErrorException when it is larger than Python takes
     */
    private static int count(@Nullable String digits, int otherwise) {
        if (digits == null) {
            return otherwise;
        }
        if (digits.length() > 9) {
            throw new UserErrorException("the chat template asks for a width or precision of " + digits);
        }
        return Integer.parseInt(digits);
    }

    private static String decimal(@Nullable Object value, RenderBudget budget) {
        Object number = number(value);
        if (PythonNumbers.isReal(number) && !Double.isFinite(PythonNumbers.real(number))) {
            throw new UserErrorException("the chat template writes what is no number as an integer");
        }
        return PythonNumbers.text(
                PythonNumbers.isReal(number)
                        ? new BigDecimal(PythonNumbers.real(number)).toBigInteger()
                        : PythonNumbers.integer(number),
                budget);
    }

    private static String fixed(@Nullable Object value, int digits, RenderBudget budget) {
        double real = PythonNumbers.real(number(value));
        if (Double.isNaN(real) || Double.isInfinite(real)) {
            return PythonNumbers.text(real);
        }
        budget.write(digits);
        int known = Math.min(digits, MAX_FRACTION);
        String text =
                new BigDecimal(real).setScale(known, RoundingMode.HALF_EVEN).toPlainString();
        return (real < 0 && !text.startsWith("-") ? "-" : "") + text + "0".repeat(digits - known);
    }

    private static String padded(String text, int width, char align, char fill, boolean zeros, RenderBudget budget) {
        int missing = Math.max(0, width - text.codePointCount(0, text.length()));
        budget.write((long) missing + text.length());
        if (zeros) {
            int sign = text.startsWith("-") || text.startsWith("+") || text.startsWith(" ") ? 1 : 0;
            return text.substring(0, sign) + "0".repeat(missing) + text.substring(sign);
        }
        int left = align == '<' ? 0 : align == '>' ? missing : missing / 2;
        String filler = String.valueOf(fill);
        return filler.repeat(left) + text + filler.repeat(missing - left);
    }

    /** {@code format.format(values)}. */
    static String braces(String format, TemplateArguments given) {
        StringBuilder out = new StringBuilder();
        Matcher matcher = BRACES.matcher(format);
        int at = 0;
        int next = 0;
        while (matcher.find()) {
            given.budget().write((long) matcher.start() - at + 1);
            out.append(format, at, matcher.start());
            at = matcher.end();
            String found = matcher.group();
            if (found.equals("{{") || found.equals("}}")) {
                out.append(found.charAt(0));
                continue;
            }
            String field = matcher.group(1);
            if (field == null) {
                throw unknown(format);
            }
            Object value = field.isEmpty() ? given.required(next++, "argument") : field(field, given, format);
            out.append(specified(value, matcher.group(2), matcher.group(3), format, given.budget()));
        }
        return out.append(format.substring(at)).toString();
    }

    private static @Nullable Object field(String field, TemplateArguments given, String format) {
        if (field.chars().allMatch(Character::isDigit)) {
            return given.required(count(field, 0), field);
        }
        if (!field.matches("\\w+")) {
            throw unknown(format);
        }
        return given.required(Integer.MAX_VALUE, field);
    }

    private static String specified(
            @Nullable Object value,
            @Nullable String conversion,
            @Nullable String specification,
            String format,
            RenderBudget budget) {
        Object converted = conversion == null
                ? value
                : conversion.equals("r") ? PythonText.repr(value, budget) : PythonText.str(value, budget);
        if (specification == null || specification.isEmpty()) {
            String text = PythonText.str(converted, budget);
            budget.write(text.length());
            return text;
        }
        Matcher matcher = SPECIFICATION.matcher(specification);
        boolean isText = converted instanceof CharSequence;
        boolean isNumber = PythonNumbers.isNumber(converted) && !(converted instanceof Boolean);
        if (!matcher.matches() || (!isText && !isNumber)) {
            throw unknown(format);
        }
        String type = matcher.group(7) == null ? (isText ? "s" : "") : matcher.group(7);
        String precision = matcher.group(6);
        boolean whole = isNumber && !PythonNumbers.isReal(converted);
        if (isText != type.equals("s") || (type.equals("d") && !whole) || (type.isEmpty() && precision != null)) {
            throw unknown(format);
        }
        String body =
                switch (type) {
                    case "s" -> limited(PythonText.str(converted, budget), precision);
                    case "d" -> decimal(converted, budget);
                    case "f", "F" -> fixed(converted, count(precision, 6), budget);
                    default -> PythonText.str(converted, budget);
                };
        String sign = matcher.group(3);
        String signed = isNumber && sign != null && !sign.equals("-") && !body.startsWith("-") ? sign + body : body;
        char align = matcher.group(2) == null
                ? (isText ? '<' : '>')
                : matcher.group(2).charAt(0);
        char fill = matcher.group(1) == null ? ' ' : matcher.group(1).charAt(0);
        int width = count(matcher.group(5), 0);
        boolean zeros = isNumber && matcher.group(4) != null && matcher.group(2) == null;
        return padded(signed, width, align, fill, zeros, budget);
    }

    private static UserErrorException unknown(String format) {
        return new UserErrorException("the chat template uses the format '" + format + "', which is not known here");
    }
}
