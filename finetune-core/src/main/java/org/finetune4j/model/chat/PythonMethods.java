package org.finetune4j.model.chat;

import com.google.common.base.CharMatcher;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** The methods of Python's {@code str} and {@code dict} that chat templates call. No other method can be called. */
final class PythonMethods {

    private PythonMethods() {}

    /**
     * Calls a method.
     *
     * @throws UserErrorException when there is none of this name
     */
    static @Nullable Object call(Object base, String method, List<@Nullable Object> arguments) {
        if (base instanceof CharSequence text) {
            return onText(text.toString(), method, arguments);
        }
        if (base instanceof Map<?, ?> map) {
            return onMap(map, method, arguments);
        }
        if (base instanceof List<?> list && method.equals("index")) {
            return (long) list.indexOf(arguments.get(0));
        }
        throw unknown(base, method);
    }

    private static UserErrorException unknown(Object base, String method) {
        String type = base instanceof CharSequence ? "text" : base instanceof Map ? "map" : "value";
        return new UserErrorException("the chat template calls '" + method + "' on a " + type + ", which is not known");
    }

    private static @Nullable Object onMap(Map<?, ?> map, String method, List<@Nullable Object> arguments) {
        return switch (method) {
            case "items" -> items(map);
            case "keys" -> new ArrayList<>(map.keySet());
            case "values" -> new ArrayList<>(map.values());
            case "get" -> {
                Object value = map.get(String.valueOf(arguments.get(0)));
                yield value != null || arguments.size() < 2 ? value : arguments.get(1);
            }
            default -> throw unknown(map, method);
        };
    }

    /** The pairs of a map, each a list of key and value. */
    static List<List<@Nullable Object>> items(Map<?, ?> map) {
        List<List<@Nullable Object>> pairs = new ArrayList<>();
        map.forEach((key, value) -> pairs.add(Arrays.asList(key, value)));
        return pairs;
    }

    private static Object onText(String text, String method, List<@Nullable Object> arguments) {
        String first = arguments.isEmpty() || arguments.get(0) == null ? null : String.valueOf(arguments.get(0));
        return switch (method) {
            case "strip" -> trimmed(first).trimFrom(text);
            case "lstrip" -> trimmed(first).trimLeadingFrom(text);
            case "rstrip" -> trimmed(first).trimTrailingFrom(text);
            case "upper" -> text.toUpperCase(Locale.ROOT);
            case "lower" -> text.toLowerCase(Locale.ROOT);
            case "title" -> titled(text);
            case "capitalize" ->
                text.isEmpty()
                        ? text
                        : text.substring(0, 1).toUpperCase(Locale.ROOT)
                                + text.substring(1).toLowerCase(Locale.ROOT);
            case "startswith" -> any(arguments.get(0), text::startsWith);
            case "endswith" -> any(arguments.get(0), text::endsWith);
            case "find" -> (long) text.indexOf(String.valueOf(first));
            case "count" -> (long) text.split(Pattern.quote(String.valueOf(first)), -1).length - 1;
            case "replace" -> text.replace(String.valueOf(first), String.valueOf(arguments.get(1)));
            case "split" -> split(text, first, limit(arguments));
            case "splitlines" -> new ArrayList<>(text.lines().toList());
            case "join" ->
                String.join(
                        text,
                        ((List<?>) Objects.requireNonNull(arguments.get(0)))
                                .stream().map(PythonText::str).toList());
            default -> throw unknown(text, method);
        };
    }

    private static CharMatcher trimmed(@Nullable String characters) {
        return characters == null ? CharMatcher.whitespace() : CharMatcher.anyOf(characters);
    }

    private static boolean any(@Nullable Object affixes, Predicate<String> test) {
        return affixes instanceof List<?> list
                ? list.stream().anyMatch(affix -> test.test(String.valueOf(affix)))
                : test.test(String.valueOf(affixes));
    }

    private static int limit(List<@Nullable Object> arguments) {
        return arguments.size() > 1 && arguments.get(1) instanceof Number number && number.intValue() >= 0
                ? number.intValue() + 1
                : -1;
    }

    private static List<String> split(String text, @Nullable String separator, int limit) {
        if (separator == null) {
            String stripped = text.strip();
            return stripped.isEmpty() ? new ArrayList<>() : new ArrayList<>(List.of(stripped.split("\\s+", limit)));
        }
        return new ArrayList<>(List.of(text.split(Pattern.quote(separator), limit)));
    }

    private static String titled(String text) {
        StringBuilder out = new StringBuilder();
        boolean inWord = false;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            out.append(inWord ? Character.toLowerCase(c) : Character.toUpperCase(c));
            inWord = Character.isLetter(c);
        }
        return out.toString();
    }
}
