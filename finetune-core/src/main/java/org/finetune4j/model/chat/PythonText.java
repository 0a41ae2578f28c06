package org.finetune4j.model.chat;

import java.util.Collection;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Values in Python's words: what {@code str()} and {@code repr()} give, and {@code json.dumps}. */
final class PythonText {

    private PythonText() {}

    /** {@code str(value)}. */
    static String str(@Nullable Object value) {
        return value instanceof CharSequence text ? text.toString() : repr(value);
    }

    private static String repr(@Nullable Object value) {
        StringBuilder out = new StringBuilder();
        if (value == null) {
            return "None";
        }
        if (value instanceof Boolean truth) {
            return truth ? "True" : "False";
        }
        if (value instanceof CharSequence text) {
            return quoted(text.toString());
        }
        if (value instanceof Map<?, ?> map) {
            String separator = "{";
            for (Map.Entry<?, ?> entry : map.entrySet()) {
                out.append(separator).append(repr(entry.getKey())).append(": ").append(repr(entry.getValue()));
                separator = ", ";
            }
            return map.isEmpty() ? "{}" : out.append('}').toString();
        }
        if (value instanceof Collection<?> list) {
            String separator = "[";
            for (Object element : list) {
                out.append(separator).append(repr(element));
                separator = ", ";
            }
            return list.isEmpty() ? "[]" : out.append(']').toString();
        }
        return value.toString();
    }

    private static String quoted(String text) {
        char quote = text.contains("'") && !text.contains("\"") ? '"' : '\'';
        String escaped = text.replace("\\", "\\\\")
                .replace("\n", "\\n")
                .replace("\r", "\\r")
                .replace("\t", "\\t")
                .replace(String.valueOf(quote), "\\" + quote);
        return quote + escaped + quote;
    }

    /**
     * {@code json.dumps(value, ensure_ascii=False, indent=indent)}.
     *
     * @param indent spaces a level, or null for one line
     */
    static String json(@Nullable Object value, @Nullable Integer indent) {
        StringBuilder out = new StringBuilder();
        write(out, value, indent, 0);
        return out.toString();
    }

    private static void write(StringBuilder out, @Nullable Object value, @Nullable Integer indent, int level) {
        if (value == null || value instanceof Boolean || value instanceof Number) {
            out.append(value);
        } else if (value instanceof Map<?, ?> map) {
            out.append('{');
            int written = 0;
            for (Map.Entry<?, ?> entry : map.entrySet()) {
                separate(out, written++, indent, level + 1);
                string(out, String.valueOf(entry.getKey()));
                out.append(": ");
                write(out, entry.getValue(), indent, level + 1);
            }
            end(out, written, indent, level);
            out.append('}');
        } else if (value instanceof Collection<?> list) {
            out.append('[');
            int written = 0;
            for (Object element : list) {
                separate(out, written++, indent, level + 1);
                write(out, element, indent, level + 1);
            }
            end(out, written, indent, level);
            out.append(']');
        } else {
            string(out, value.toString());
        }
    }

    private static void separate(StringBuilder out, int written, @Nullable Integer indent, int level) {
        if (indent == null) {
            out.append(written == 0 ? "" : ", ");
        } else {
            out.append(written == 0 ? "\n" : ",\n").append(" ".repeat(indent * level));
        }
    }

    private static void end(StringBuilder out, int written, @Nullable Integer indent, int level) {
        if (indent != null && written > 0) {
            out.append('\n').append(" ".repeat(indent * level));
        }
    }

    private static void string(StringBuilder out, String text) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '\b' -> out.append("\\b");
                case '\f' -> out.append("\\f");
                default -> {
                    if (c < 0x20) {
                        out.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
                    } else {
                        out.append(c);
                    }
                }
            }
        }
        out.append('"');
    }
}
