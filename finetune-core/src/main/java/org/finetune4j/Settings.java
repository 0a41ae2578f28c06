package org.finetune4j;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Values that a user wrote under names, read one by one with the type that is wanted. It remembers which names were asked
 * for, so that {@link #refuseUnknown()} can tell the others with the nearest valid name.
 */
public final class Settings {

    /** The largest rank, number of virtual tokens or width that an adapter may ask for. */
    public static final int LARGEST_SIZE = 1 << 16;

    private final String origin;
    private final Map<String, @Nullable Object> values;
    private final Map<String, String> written;
    private final Set<String> known = new LinkedHashSet<>();

    /**
     * Settings under the names that the user wrote.
     *
     * @param origin what messages call the place of these values, such as the path of a file
     * @param values numbers, texts, truth values, lists and maps; null is as good as missing
     */
    public Settings(String origin, Map<String, ? extends @Nullable Object> values) {
        this(origin, values, Map.of());
    }

    /**
     * Settings of which some were written under other names, which messages then use.
     *
     * @param origin what messages call the place of these values, such as the path of a file
     * @param values numbers, texts, truth values, lists and maps; null is as good as missing
     * @param written for a name among {@code values} the one that the user wrote
     */
    public Settings(String origin, Map<String, ? extends @Nullable Object> values, Map<String, String> written) {
        this.origin = origin;
        this.values = new LinkedHashMap<>(values);
        this.written = Map.copyOf(written);
    }

    /** {@return what messages call the place of these values} */
    public String origin() {
        return origin;
    }

    /**
     * {@return whether there is a value}
     *
     * @param key the name of the value
     */
    public boolean has(String key) {
        known.add(key);
        return values.get(key) != null;
    }

    /**
     * Whether a key is given as null.
     *
     * @param key any
     * @return false where it has another value, or is not given
     */
    public boolean isNull(String key) {
        known.add(key);
        return values.containsKey(key) && values.get(key) == null;
    }

    /** {@return all values as they were given, in their order} */
    public Map<String, @Nullable Object> asMap() {
        return new LinkedHashMap<>(values);
    }

    /**
     * A text, if there is one. Numbers and truth values count as what they look like.
     *
     * @param key the name of the value
     * @return the text, or empty
     * @throws UserErrorException when it is a list or a map
     */
    public Optional<String> text(String key) {
        return value(key).map(value -> {
            if (value instanceof List || value instanceof Map) {
                throw invalid(key, "a text");
            }
            return value.toString();
        });
    }

    /**
     * A text that must be there.
     *
     * @param key the name of the value
     * @return the text
     * @throws UserErrorException when it is missing or no text
     */
    public String requiredText(String key) {
        return text(key).orElseThrow(() -> missing(key));
    }

    /**
     * A path that must be there.
     *
     * @param key the name of the value
     * @return the path
     * @throws UserErrorException when it is missing or cannot be a path
     */
    public Path path(String key) {
        return InputFiles.path(origin + ": '" + key + "'", requiredText(key));
    }

    /**
     * A whole number, or {@code fallback}.
     *
     * @param key the name of the value
     * @param fallback what is given where there is no value
     * @return the number
     * @throws UserErrorException when it is not a whole number
     */
    public int integer(String key, int fallback) {
        double number = number(key, fallback);
        if (number != Math.rint(number) || Math.abs(number) > Integer.MAX_VALUE) {
            throw invalid(key, "a whole number");
        }
        return (int) number;
    }

    /**
     * A whole number of at least {@code minimum}, or {@code fallback}.
     *
     * @param key the name of the value
     * @param fallback what is given where there is no value
     * @param minimum the smallest number that is meant by anybody
     * @return the number
     * @throws UserErrorException when it is not a whole number, or below {@code minimum}
     */
    public int integer(String key, int fallback, int minimum) {
        int number = integer(key, fallback);
        if (has(key) && number < minimum) {
            throw invalid(key, "a whole number of at least " + minimum);
        }
        return number;
    }

    /**
     * A whole number within bounds, or {@code fallback}.
     *
     * @param key the name of the value
     * @param fallback what is given where there is no value
     * @param minimum the smallest number that is meant by anybody
     * @param maximum the largest one: what would take more memory or time than any machine has is a mistake
     * @return the number
     * @throws UserErrorException when it is not a whole number, or is outside of the bounds
     */
    public int integer(String key, int fallback, int minimum, int maximum) {
        int number = integer(key, fallback);
        if (has(key) && (number < minimum || number > maximum)) {
            throw invalid(key, "a whole number from " + minimum + " to " + maximum);
        }
        return number;
    }

    /**
     * A number, or {@code fallback}; texts such as {@code 2e-4}, which YAML does not take for numbers, are read too.
     *
     * @param key the name of the value
     * @param fallback what is given where there is no value
     * @return the number, which a float32 can hold
     * @throws UserErrorException when it is no number, or not one that can be calculated with
     */
    public double number(String key, double fallback) {
        Object value = value(key).orElse(fallback);
        double number;
        try {
            number = value instanceof Number given ? given.doubleValue() : Double.parseDouble(value.toString());
        } catch (NumberFormatException e) {
            throw invalid(key, "a number");
        }
        if (has(key) && !isCalculable(number)) {
            throw invalid(key, "a number that a float32 can hold");
        }
        return number;
    }

    /**
     * Whether tensors can be calculated with a number: it is one, and no larger than a float32 can be.
     *
     * @param number any number
     * @return whether it is finite as a float32
     */
    public static boolean isCalculable(double number) {
        return Math.abs(number) <= Float.MAX_VALUE;
    }

    /**
     * A number within bounds, or {@code fallback}.
     *
     * @param key the name of the value
     * @param fallback what is given where there is no value
     * @param minimum the smallest number that is meant by anybody; {@link Double#MIN_VALUE} for any above 0
     * @param maximum the largest number that is meant by anybody
     * @return the number
     * @throws UserErrorException when it is no number, or is outside of the bounds
     */
    public double number(String key, double fallback, double minimum, double maximum) {
        double number = number(key, fallback);
        if (has(key) && !(number >= minimum && number <= maximum)) {
            String above = minimum == Double.MIN_VALUE ? "above 0, at most " : "from " + minimum + " to ";
            throw invalid(key, "a number " + above + maximum);
        }
        return number;
    }

    /**
     * A truth value, or {@code fallback}.
     *
     * @param key the name of the value
     * @param fallback what is given where there is no value
     * @return the value
     * @throws UserErrorException when it is neither {@code true} nor {@code false}
     */
    public boolean flag(String key, boolean fallback) {
        Object value = value(key).orElse(fallback);
        if (value instanceof Boolean flag) {
            return flag;
        }
        return switch (value.toString()) {
            case "true" -> true;
            case "false" -> false;
            default -> throw invalid(key, "true or false");
        };
    }

    /**
     * One of a few words: the constants' names in lower case.
     *
     * @param <E> what the words stand for
     * @param key the name of the value
     * @param values all that can be meant
     * @param fallback what is given where there is no value
     * @return what is meant
     * @throws UserErrorException when the value is none of the words, with the nearest one
     */
    public <E extends Enum<E>> E choice(String key, E[] values, E fallback) {
        String name = text(key).orElse(fallback.name()).toLowerCase(Locale.ROOT);
        List<String> names = Arrays.stream(values)
                .map(value -> value.name().toLowerCase(Locale.ROOT))
                .toList();
        int index = names.indexOf(name);
        if (index < 0) {
            throw new UserErrorException(origin + ": '" + key + "' is " + name + ", expected "
                    + String.join(", ", names) + Suggestions.didYouMean(name, names));
        }
        return values[index];
    }

    /**
     * A list of texts; a single text is a list of one, and a missing value an empty list.
     *
     * @param key the name of the value
     * @return the texts
     * @throws UserErrorException when it is no list of texts
     */
    public List<String> texts(String key) {
        Object value = value(key).orElse(List.of());
        if (value instanceof Map) {
            throw invalid(key, "a list of texts");
        }
        List<String> texts = new ArrayList<>();
        for (Object element : value instanceof List<?> list ? list : List.of(value)) {
            if (element == null || element instanceof List || element instanceof Map) {
                throw invalid(key, "a list of texts");
            }
            texts.add(element.toString());
        }
        return texts;
    }

    /**
     * Whole numbers by name; empty when the value is missing.
     *
     * @param key the name of the value
     * @return the numbers, at least 1 each
     * @throws UserErrorException when it is no map of whole numbers from 1 to {@value #LARGEST_SIZE}
     */
    public Map<String, Integer> integersByName(String key) {
        Object value = value(key).orElse(Map.of());
        if (!(value instanceof Map<?, ?> map)) {
            throw invalid(key, "names with whole numbers, such as {q_proj: 4}");
        }
        Map<String, Integer> numbers = new LinkedHashMap<>();
        map.forEach((name, number) -> {
            if (!(number instanceof Integer integer) || integer < 1 || integer > LARGEST_SIZE) {
                throw invalid(key, "names with whole numbers from 1 to " + LARGEST_SIZE + ", such as {q_proj: 4}");
            }
            numbers.put(String.valueOf(name), integer);
        });
        return numbers;
    }

    /**
     * Numbers by name.
     *
     * @param key the name of the value
     * @return the numbers, empty when the value is missing
     * @throws UserErrorException when the value is no map of finite numbers
     */
    public Map<String, Double> numbersByName(String key) {
        String expected = "names with numbers, such as {q_proj: 16}";
        if (!(value(key).orElse(Map.of()) instanceof Map<?, ?> map)) {
            throw invalid(key, expected);
        }
        Map<String, Double> numbers = new LinkedHashMap<>();
        map.forEach((name, value) -> {
            if (!(value instanceof Number number) || !isCalculable(number.doubleValue())) {
                throw invalid(key, expected);
            }
            numbers.put(String.valueOf(name), number.doubleValue());
        });
        return numbers;
    }

    /**
     * {@return the value as it was given, if there is one}
     *
     * @param key the name of the value
     */
    public Optional<Object> value(String key) {
        known.add(key);
        return Optional.ofNullable(values.get(key));
    }

    /**
     * The names that the user wrote instead of ours.
     *
     * @return ours and theirs
     */
    public Map<String, String> written() {
        return written;
    }

    /**
     * The names that were asked for so far.
     *
     * @return names, in the order of the questions
     */
    public Set<String> known() {
        return Collections.unmodifiableSet(known);
    }

    /**
     * Refuses names that nobody asked for.
     *
     * @throws UserErrorException for the first one, with the nearest valid name
     */
    public void refuseUnknown() {
        refuseUnknown((key, value) -> "unknown key '" + key + "'" + Suggestions.didYouMean(key, known));
    }

    /**
     * Refuses names that nobody asked for, with a reason.
     *
     * @param verdict what is wrong with a name and its value, or null where it may stay although nobody asked for it
     * @throws UserErrorException for the first one that may not stay
     */
    public void refuseUnknown(UnknownKey verdict) {
        values.forEach((key, value) -> {
            String problem = known.contains(key) ? null : verdict.problem(key, value);
            if (problem != null) {
                throw new UserErrorException(origin + ": " + problem);
            }
        });
    }

    /** Judges a name that nobody asked for. */
    @FunctionalInterface
    public interface UnknownKey {

        /**
         * What is wrong.
         *
         * @param key the name
         * @param value its value as it was given
         * @return the problem in one line, or null where the name may stay
         */
        @Nullable
        String problem(String key, @Nullable Object value);
    }

    /**
     * {@return the error for a value that cannot be used}
     *
     * @param key the name of the value
     * @param expected what would have been right, such as {@code "true or false"}
     */
    public UserErrorException invalid(String key, String expected) {
        return new UserErrorException(origin + ": '" + written.getOrDefault(key, key) + "' is "
                + Reasons.excerpt(String.valueOf(values.get(key))) + ", expected " + expected);
    }

    private UserErrorException missing(String key) {
        return new UserErrorException(origin + ": '" + key + "' is missing");
    }
}
