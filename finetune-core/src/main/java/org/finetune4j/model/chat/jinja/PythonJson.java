package org.finetune4j.model.chat.jinja;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** {@code json.dumps}, character by character. */
final class PythonJson {

    /**
     * How it is written.
     *
     * @param indent what a level is moved in by, or null for one line
     */
    record Style(boolean ascii, @Nullable String indent, String comma, String colon, boolean sortKeys) {}

    private final Style style;
    private final RenderBudget budget;
    private final StringBuilder out = new StringBuilder();

    private PythonJson(Style style, RenderBudget budget) {
        this.style = style;
        this.budget = budget;
    }

    static String write(@Nullable Object value, Style style, RenderBudget budget) {
        PythonJson json = new PythonJson(style, budget);
        json.write(value, 0);
        return json.out.toString();
    }

    private void write(@Nullable Object value, int level) {
        budget.descend();
        if (value instanceof CharSequence text) {
            string(text.toString());
        } else if (value instanceof Map<?, ?> map) {
            map(map, level);
        } else if (value instanceof Collection<?> list && !(value instanceof PythonMethods.View)) {
            int written = 0;
            out.append('[');
            for (Object element : list) {
                separate(written++, level + 1);
                write(element, level + 1);
            }
            end(written, level);
            out.append(']');
        } else {
            append(scalar(value));
        }
        budget.leave();
    }

    private void append(String text) {
        budget.write(text.length());
        out.append(text);
    }

    private void map(Map<?, ?> map, int level) {
        int written = 0;
        out.append('{');
        List<Map.Entry<?, ?>> entries = new ArrayList<>(map.entrySet());
        if (style.sortKeys()) {
            entries.sort((a, b) -> PythonValues.compare(a.getKey(), b.getKey(), budget));
        }
        for (Map.Entry<?, ?> entry : entries) {
            separate(written++, level + 1);
            string(entry.getKey() instanceof CharSequence key ? key.toString() : scalar(entry.getKey()));
            append(style.colon());
            write(entry.getValue(), level + 1);
        }
        end(written, level);
        out.append('}');
    }

    private String scalar(@Nullable Object value) {
        if (value == null || value instanceof Boolean) {
            return String.valueOf(value);
        }
        if (value instanceof Number number) {
            double real = number.doubleValue();
            if (PythonNumbers.isReal(number) && (Double.isNaN(real) || Double.isInfinite(real))) {
                return Double.isNaN(real) ? "NaN" : real > 0 ? "Infinity" : "-Infinity";
            }
            return PythonNumbers.text(number, budget);
        }
        throw new UserErrorException("the chat template writes as JSON what cannot be: a value of type '"
                + PythonValues.typeName(value) + "'");
    }

    private void separate(int written, int level) {
        append(written == 0 ? "" : style.comma());
        newLine(level);
    }

    private void end(int written, int level) {
        if (written > 0) {
            newLine(level);
        }
    }

    private void newLine(int level) {
        if (style.indent() != null) {
            budget.write(1 + (long) style.indent().length() * level);
            out.append('\n').append(style.indent().repeat(level));
        }
    }

    private void string(String text) {
        budget.write(text.length() + 2L);
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
                    if (c < 0x20 || (style.ascii() && c > 0x7e)) {
                        append(String.format(Locale.ROOT, "\\u%04x", (int) c));
                    } else {
                        out.append(c);
                    }
                }
            }
        }
        out.append('"');
    }
}
