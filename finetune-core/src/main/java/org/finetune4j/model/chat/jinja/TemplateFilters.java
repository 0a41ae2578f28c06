package org.finetune4j.model.chat.jinja;

import java.math.RoundingMode;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** Jinja2's filters on one value; those on lists are {@link SequenceFilters}. */
final class TemplateFilters {

    @FunctionalInterface
    interface Body {
        @Nullable
        Object apply(@Nullable Object value, TemplateArguments given);
    }

    /** Of a text that is read as a number; Python reads no more. */
    private static final int MAX_DIGITS = 4300;

    private static final Pattern WORD_START = Pattern.compile("(?<=[-\\s({\\[<])(?![-\\s({\\[<])");

    /** What these make of a text that is marked safe is safe too. */
    private static final Set<String> KEEPING =
            Set.of("string", "trim", "upper", "lower", "capitalize", "title", "center", "indent", "truncate");

    private static final Map<String, Body> ALL = all();

    private TemplateFilters() {}

    private static Map<String, Body> all() {
        Map<String, Body> filters = new HashMap<>();
        filters.put("tojson", TemplateFilters::toJson);
        filters.put("default", TemplateFilters::otherwise);
        filters.put("d", TemplateFilters::otherwise);
        filters.put("string", TemplateFilters::text);
        filters.put("safe", (value, given) -> new PythonMarkup(text(value, given)));
        filters.put("trim", (value, given) -> PythonTextMethods.call(text(value, given), "strip", given));
        filters.put("upper", (value, given) -> text(value, given).toUpperCase(Locale.ROOT));
        filters.put("lower", (value, given) -> text(value, given).toLowerCase(Locale.ROOT));
        filters.put("capitalize", (value, given) -> PythonTextMethods.capitalized(text(value, given)));
        filters.put("title", (value, given) -> title(text(value, given)));
        filters.put("center", TemplateFilters::center);
        filters.put("replace", TemplateFilters::replace);
        filters.put("indent", TemplateFilters::indent);
        filters.put("truncate", TemplateFilters::truncate);
        filters.put("format", TemplateFilters::format);
        filters.put("escape", TemplateFilters::escape);
        filters.put("e", TemplateFilters::escape);
        filters.put("forceescape", (value, given) -> PythonMarkup.escaped(text(value, given)));
        filters.put("wordcount", (value, given) -> Pattern.compile("\\w+", Pattern.UNICODE_CHARACTER_CLASS)
                .matcher(text(value, given))
                .results()
                .count());
        filters.put("length", (value, given) -> PythonValues.length(value));
        filters.put("count", (value, given) -> PythonValues.length(value));
        filters.put(
                "abs",
                (value, given) -> PythonValues.compare(value, 0L, given.budget()) < 0
                        ? PythonOperators.signed(value, true)
                        : PythonOperators.signed(value, false));
        filters.put("int", TemplateFilters::integer);
        filters.put("float", TemplateFilters::real);
        filters.put("round", TemplateFilters::round);
        filters.put("attr", (value, given) -> PythonMembers.member(value, given.text(0, "name")));
        filters.putAll(SequenceFilters.all());
        return Map.copyOf(filters);
    }

    static boolean isKnown(String name) {
        return ALL.containsKey(name);
    }

    /** @throws UserErrorException when there is no such filter */
    static void check(String name) {
        if (!isKnown(name)) {
            throw new UserErrorException(
                    "a filter '" + name + "' is not known" + Suggestions.didYouMean(name, ALL.keySet()));
        }
    }

    static @Nullable Object apply(String name, @Nullable Object value, TemplateArguments given) {
        check(name);
        if (value instanceof CharSequence text) {
            given.budget().read(text.length());
        }
        Object result = Objects.requireNonNull(ALL.get(name)).apply(value, given);
        if (result instanceof CharSequence made && result != value) {
            given.budget().text(made.length());
        }
        return value instanceof PythonMarkup && result instanceof String text && KEEPING.contains(name)
                ? new PythonMarkup(text)
                : result;
    }

    private static PythonMarkup escape(@Nullable Object value, TemplateArguments given) {
        return value instanceof PythonMarkup markup ? markup : PythonMarkup.escaped(text(value, given));
    }

    /** What a filter of texts makes of any value. */
    static String text(@Nullable Object value, TemplateArguments given) {
        return PythonText.printed(value, given.budget());
    }

    private static Object toJson(@Nullable Object value, TemplateArguments given) {
        for (String name : given.named().keySet()) {
            if (!List.of("indent", "ensure_ascii", "separators", "sort_keys").contains(name)) {
                throw new UserErrorException("tojson's '" + name + "' is not known");
            }
        }
        Object indent = given.optional(1, "indent", null);
        String step = indent == null ? null : step(indent, given);
        Object separators = given.optional(2, "separators", null);
        List<?> both = separators == null
                ? List.of(step == null ? ", " : ",", ": ")
                : PythonValues.elements(separators, given.budget());
        if (both.size() != 2) {
            throw new UserErrorException("tojson's 'separators' are two texts");
        }
        return PythonJson.write(
                value,
                new PythonJson.Style(
                        given.truth(0, "ensure_ascii", false),
                        step,
                        String.valueOf(both.get(0)),
                        String.valueOf(both.get(1)),
                        given.truth(3, "sort_keys", false)),
                given.budget());
    }

    /** What lines are moved in by: a text, or so many blanks. */
    private static String step(@Nullable Object width, TemplateArguments given) {
        if (width instanceof CharSequence text) {
            return text.toString();
        }
        int blanks = Math.max(0, PythonNumbers.index(width));
        given.budget().write(blanks);
        return " ".repeat(blanks);
    }

    private static @Nullable Object otherwise(@Nullable Object value, TemplateArguments given) {
        boolean missing =
                value instanceof Undefined || (given.truth(1, "boolean", false) && !PythonValues.truth(value));
        return missing ? given.optional(0, "default_value", "") : value;
    }

    private static String title(String text) {
        StringBuilder out = new StringBuilder();
        for (String word : WORD_START.split(text)) {
            out.append(PythonTextMethods.capitalized(word));
        }
        return out.toString();
    }

    private static String center(@Nullable Object value, TemplateArguments given) {
        String text = text(value, given);
        int width = given.integer(0, "width", 80);
        int missing = (int) Math.max(0, width - PythonValues.length(text));
        given.budget().write(missing);
        int left = missing / 2 + (missing & width & 1);
        return " ".repeat(left) + text + " ".repeat(missing - left);
    }

    private static String replace(@Nullable Object value, TemplateArguments given) {
        return PythonTextMethods.replaced(
                text(value, given),
                text(given.required(0, "old"), given),
                text(given.required(1, "new"), given),
                given.integer(2, "count", -1),
                given.budget());
    }

    private static String indent(@Nullable Object value, TemplateArguments given) {
        String step = step(given.optional(0, "width", 4L), given);
        boolean first = given.truth(1, "first", false);
        boolean blank = given.truth(2, "blank", false);
        Object ended = PythonOperators.binary("+", value, "\n", given.budget());
        List<@Nullable Object> lines = PythonTextMethods.lines(String.valueOf(ended), false, given.budget());
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < lines.size(); i++) {
            String line = String.valueOf(lines.get(i));
            given.budget().write((long) step.length() + line.length() + 1);
            out.append(i == 0 ? "" : "\n");
            out.append(i == 0 ? (first ? step : "") : blank || !line.isEmpty() ? step : "")
                    .append(line);
        }
        return out.toString();
    }

    private static String truncate(@Nullable Object value, TemplateArguments given) {
        if (!(value instanceof CharSequence) && !(value instanceof Undefined)) {
            throw new UserErrorException(
                    "the filter 'truncate' needs a text, not a '" + PythonValues.typeName(value) + "'");
        }
        String text = text(value, given);
        int length = given.integer(0, "length", 255);
        String end = given.has(2, "end") ? given.text(2, "end") : "...";
        if (PythonValues.length(text) <= length + given.integer(3, "leeway", 5)) {
            return text;
        }
        int kept = text.offsetByCodePoints(0, (int) Math.max(0, length - PythonValues.length(end)));
        String cut = text.substring(0, kept);
        int blank = cut.lastIndexOf(' ');
        return (given.truth(1, "killwords", false) || blank < 0 ? cut : cut.substring(0, blank)) + end;
    }

    private static String format(@Nullable Object value, TemplateArguments given) {
        return PythonFormat.percent(
                text(value, given),
                given.named().isEmpty() ? new PythonTuple(given.positional()) : given.named(),
                given.budget());
    }

    private static @Nullable Object integer(@Nullable Object value, TemplateArguments given) {
        Object otherwise = given.optional(0, "default", 0L);
        int base = given.integer(1, "base", 10);
        if (value instanceof CharSequence text) {
            String digits = PythonText.strip(text.toString()).replace("_", "");
            if (digits.length() > MAX_DIGITS) {
                return otherwise;
            }
            given.budget().steps((long) digits.length() * digits.length() / 64);
            try {
                return PythonNumbers.normal(PythonNumbers.parsed(digits, base));
            } catch (NumberFormatException e) {
                Double real = parsed(digits);
                return real == null || real.isNaN() || real.isInfinite() ? otherwise : whole(real);
            }
        }
        if (value instanceof Undefined missing) {
            throw missing.error();
        }
        if (value != null && PythonNumbers.isReal(value) && Double.isInfinite(PythonNumbers.real(value))) {
            throw new UserErrorException("the chat template makes an integer of an infinite number");
        }
        return value == null
                        || !PythonNumbers.isNumber(value)
                        || (PythonNumbers.isReal(value) && Double.isNaN(PythonNumbers.real(value)))
                ? otherwise
                : PythonNumbers.isReal(value)
                        ? whole(PythonNumbers.real(value))
                        : PythonNumbers.normal(PythonNumbers.integer(value));
    }

    private static Number whole(double real) {
        return PythonNumbers.normal(new java.math.BigDecimal(real).toBigInteger());
    }

    private static @Nullable Double parsed(String text) {
        try {
            return text.length() <= MAX_DIGITS && text.matches("[-+]?(\\d+\\.?\\d*|\\.\\d+)([eE][-+]?\\d+)?")
                    ? Double.valueOf(text)
                    : null;
        } catch (NumberFormatException e) {
            return null;
        }
    }

    private static @Nullable Object real(@Nullable Object value, TemplateArguments given) {
        if (value instanceof CharSequence text) {
            Double real = parsed(PythonText.strip(text.toString()));
            return real == null ? given.optional(0, "default", 0.0) : real;
        }
        if (value instanceof Undefined missing) {
            throw missing.error();
        }
        return value == null || !PythonNumbers.isNumber(value)
                ? given.optional(0, "default", 0.0)
                : (Object) PythonNumbers.real(value);
    }

    private static Number round(@Nullable Object value, TemplateArguments given) {
        int digits = given.integer(0, "precision", 0);
        String method = given.has(1, "method") ? given.text(1, "method") : "common";
        Number number = PythonOperators.signed(value, false);
        if (method.equals("common")) {
            return PythonNumbers.isReal(number)
                    ? (Number) PythonNumbers.round(number.doubleValue(), digits, RoundingMode.HALF_EVEN)
                    : PythonNumbers.normal(new java.math.BigDecimal(PythonNumbers.integer(number))
                            .setScale(Math.max(-MAX_DIGITS, Math.min(digits, 0)), RoundingMode.HALF_EVEN)
                            .toBigInteger());
        }
        double scale = Math.pow(10, digits);
        return switch (method) {
            case "ceil" -> Math.ceil(number.doubleValue() * scale) / scale;
            case "floor" -> Math.floor(number.doubleValue() * scale) / scale;
            default -> throw new UserErrorException("the filter 'round' knows no method '" + method + "'");
        };
    }
}
