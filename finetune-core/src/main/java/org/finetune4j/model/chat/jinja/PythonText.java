package org.finetune4j.model.chat.jinja;

import java.util.Collection;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** Values in Python's words: what {@code str()} and {@code repr()} give. */
public final class PythonText {

    private PythonText() {}

    /** {@code str.isspace()} of a character, which is what {@code strip()} removes. */
    static boolean isSpace(int c) {
        return c >= 0x09 && c <= 0x0d
                || c >= 0x1c && c <= 0x20
                || c == 0x85
                || c == 0xa0
                || c > 0xff && Character.isSpaceChar(c);
    }

    /** {@code str.lstrip()}. */
    public static String stripLeading(String text) {
        int from = 0;
        while (from < text.length() && isSpace(text.charAt(from))) {
            from++;
        }
        return text.substring(from);
    }

    static String stripTrailing(String text) {
        int to = text.length();
        while (to > 0 && isSpace(text.charAt(to - 1))) {
            to--;
        }
        return text.substring(0, to);
    }

    /** {@code str.strip()}. */
    public static String strip(String text) {
        return stripLeading(stripTrailing(text));
    }

    /** Whether {@code str.strip()} leaves nothing. */
    public static boolean isBlank(String text) {
        return stripLeading(text).isEmpty();
    }

    /** {@code str(value)}. */
    static String str(@Nullable Object value) {
        return value instanceof CharSequence text ? text.toString() : repr(value);
    }

    static String repr(@Nullable Object value) {
        if (value == null) {
            return "None";
        }
        if (value instanceof Boolean truth) {
            return truth ? "True" : "False";
        }
        if (value instanceof CharSequence text) {
            return quoted(text.toString());
        }
        if (value instanceof Number number) {
            return PythonNumbers.isReal(number) ? PythonNumbers.text(number.doubleValue()) : number.toString();
        }
        if (value instanceof PythonMethods.View view) {
            return view.repr();
        }
        if (value instanceof Map<?, ?> map) {
            return map.entrySet().stream()
                    .map(entry -> repr(entry.getKey()) + ": " + repr(entry.getValue()))
                    .collect(Collectors.joining(", ", "{", "}"));
        }
        if (value instanceof PythonTuple tuple) {
            String elements = tuple.stream().map(PythonText::repr).collect(Collectors.joining(", "));
            return tuple.size() == 1 ? "(" + elements + ",)" : "(" + elements + ")";
        }
        if (value instanceof TemplateFunctions.Range range) {
            return range.repr();
        }
        if (value instanceof Collection<?> list) {
            return list.stream().map(PythonText::repr).collect(Collectors.joining(", ", "[", "]"));
        }
        if (value instanceof Undefined) {
            return "Undefined";
        }
        throw new UserErrorException("the chat template writes a value that has no text, such as a function");
    }

    private static String quoted(String text) {
        char quote = text.contains("'") && !text.contains("\"") ? '"' : '\'';
        StringBuilder out = new StringBuilder().append(quote);
        text.codePoints().forEach(c -> {
            switch (c) {
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                default -> {
                    if (c == quote) {
                        out.append('\\').append(quote);
                    } else if (isPrintable(c)) {
                        out.appendCodePoint(c);
                    } else {
                        String form = c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x";
                        out.append(String.format(Locale.ROOT, form, c));
                    }
                }
            }
        });
        return out.append(quote).toString();
    }

    private static boolean isPrintable(int c) {
        return c == ' '
                || switch (Character.getType(c)) {
                    case Character.CONTROL,
                            Character.FORMAT,
                            Character.SURROGATE,
                            Character.PRIVATE_USE,
                            Character.UNASSIGNED,
                            Character.LINE_SEPARATOR,
                            Character.PARAGRAPH_SEPARATOR,
                            Character.SPACE_SEPARATOR -> false;
                    default -> true;
                };
    }
}
