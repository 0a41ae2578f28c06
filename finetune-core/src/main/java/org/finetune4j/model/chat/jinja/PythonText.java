package org.finetune4j.model.chat.jinja;

import java.util.Collection;
import java.util.Locale;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** Values in Python's words: what {@code str()} and {@code repr()} give. */
public final class PythonText {

    private PythonText() {}

    /** {@code str.isspace()} of a character, which is what {@code strip()} removes. */
    static boolean isSpace(int c) {
        return (c >= 0x09 && c <= 0x0d)
                || (c >= 0x1c && c <= 0x20)
                || c == 0x85
                || c == 0xa0
                || (c > 0xff && Character.isSpaceChar(c));
    }

    /**
     * {@code str.lstrip()}.
     *
     * @param text any text
     * @return the text without white space at its start
     */
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

    /**
     * {@code str.strip()}.
     *
     * @param text any text
     * @return the text without white space at its ends
     */
    public static String strip(String text) {
        return stripLeading(stripTrailing(text));
    }

    /**
     * Whether {@code str.strip()} leaves nothing.
     *
     * @param text any text
     * @return true for white space alone
     */
    public static boolean isBlank(String text) {
        return stripLeading(text).isEmpty();
    }

    /** {@code str(value)}. */
    static String str(@Nullable Object value, RenderBudget budget) {
        return value instanceof CharSequence text ? text.toString() : repr(value, budget);
    }

    /** {@code repr(value)}. */
    static String repr(@Nullable Object value, RenderBudget budget) {
        StringBuilder out = new StringBuilder();
        repr(value, out, budget);
        return out.toString();
    }

    /** Writes what a template prints of a value. */
    static void print(@Nullable Object value, StringBuilder out, RenderBudget budget) {
        if (value instanceof CharSequence text) {
            append(text, out, budget);
        } else if (!(value instanceof Undefined)) {
            repr(value, out, budget);
        }
    }

    /** The same as a text. */
    static String printed(@Nullable Object value, RenderBudget budget) {
        return value instanceof Undefined ? "" : str(value, budget);
    }

    private static void append(CharSequence text, StringBuilder out, RenderBudget budget) {
        budget.write(text.length());
        out.append(text);
    }

    private static void repr(@Nullable Object value, StringBuilder out, RenderBudget budget) {
        if (value == null) {
            append("None", out, budget);
        } else if (value instanceof Boolean truth) {
            append(truth ? "True" : "False", out, budget);
        } else if (value instanceof CharSequence text) {
            budget.write(text.length());
            append(quoted(text.toString()), out, budget);
        } else if (value instanceof Number number) {
            append(PythonNumbers.text(number, budget), out, budget);
        } else if (value instanceof PythonMethods.View view) {
            append("dict_" + view.name() + "(", out, budget);
            list(view, "[", "])", out, budget);
        } else if (value instanceof Map<?, ?> map) {
            map(map, out, budget);
        } else if (value instanceof PythonTuple tuple) {
            list(tuple, "(", tuple.size() == 1 ? ",)" : ")", out, budget);
        } else if (value instanceof TemplateNamespace namespace) {
            append("<Namespace ", out, budget);
            map(namespace.members(), out, budget);
            append(">", out, budget);
        } else if (value instanceof PythonRange range) {
            append(range.repr(), out, budget);
        } else if (value instanceof Collection<?> list) {
            list(list, "[", "]", out, budget);
        } else if (value instanceof Undefined) {
            append("Undefined", out, budget);
        } else {
            throw new UserErrorException("the chat template writes a value that has no text, such as a function");
        }
    }

    private static void list(
            Collection<?> list, String opening, String closing, StringBuilder out, RenderBudget budget) {
        budget.descend();
        append(opening, out, budget);
        String separator = "";
        for (Object element : list) {
            append(separator, out, budget);
            repr(element, out, budget);
            separator = ", ";
        }
        append(closing, out, budget);
        budget.leave();
    }

    private static void map(Map<?, ?> map, StringBuilder out, RenderBudget budget) {
        budget.descend();
        append("{", out, budget);
        String separator = "";
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            append(separator, out, budget);
            repr(entry.getKey(), out, budget);
            append(": ", out, budget);
            repr(entry.getValue(), out, budget);
            separator = ", ";
        }
        append("}", out, budget);
        budget.leave();
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
