package org.finetune4j.model.chat.jinja;

import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import java.time.ZonedDateTime;
import java.time.format.TextStyle;
import java.util.AbstractList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** The functions that Jinja2 and transformers give to chat templates. */
final class TemplateFunctions {

    static final String NOW = "__now";

    private static final int MAX_RANGE = 100_000;

    private TemplateFunctions() {}

    static Map<String, TemplateCallable> all() {
        return Map.of(
                "raise_exception", TemplateFunctions::raiseException,
                "strftime_now", given -> strftimeNow(given.text(0, "format")),
                "namespace", TemplateFunctions::namespace,
                "dict", given -> namespace(given).members(),
                "range", given -> range(given.positional()),
                "cycler", given -> new Cycler(given.positional()),
                "joiner", given -> new Joiner(TemplateRuntime.out(given.optional(0, "sep", ", "))));
    }

    private static Object raiseException(TemplateArguments given) {
        throw new UserErrorException(
                "the chat template refuses the conversation: " + PythonText.str(given.required(0, "message")));
    }

    private static TemplateNamespace namespace(TemplateArguments given) {
        Map<String, @Nullable Object> members = new LinkedHashMap<>();
        Object first = given.optional(0, "", null);
        if (first instanceof Map<?, ?> map) {
            map.forEach((key, value) -> members.put(String.valueOf(key), value));
        } else if (first != null) {
            for (Object pair : PythonValues.elements(first)) {
                List<@Nullable Object> both = PythonValues.elements(pair);
                members.put(String.valueOf(both.get(0)), both.get(1));
            }
        }
        members.putAll(given.named());
        return new TemplateNamespace(members);
    }

    /** {@code range(start, stop, step)}, which writes itself as such. */
    static final class Range extends AbstractList<@Nullable Object> {

        private final long start;
        private final long stop;
        private final long step;
        private final int size;

        Range(long start, long stop, long step) {
            this.start = start;
            this.stop = stop;
            this.step = step;
            long count = step > 0 ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step;
            if (count > MAX_RANGE) {
                throw new UserErrorException("the chat template counts too far: range has " + count + " numbers");
            }
            this.size = (int) Math.max(0, count);
        }

        @Override
        public @Nullable Object get(int index) {
            return start + Objects.checkIndex(index, size) * step;
        }

        @Override
        public int size() {
            return size;
        }

        String repr() {
            return "range(" + start + ", " + stop + (step == 1 ? "" : ", " + step) + ")";
        }
    }

    private static Range range(List<@Nullable Object> arguments) {
        List<Integer> bounds = arguments.stream().map(PythonNumbers::index).toList();
        if (bounds.isEmpty() || bounds.size() > 3 || bounds.size() == 3 && bounds.get(2) == 0) {
            throw new UserErrorException("the chat template calls 'range' without its bounds, or with step 0");
        }
        return bounds.size() == 1
                ? new Range(0, bounds.get(0), 1)
                : new Range(bounds.get(0), bounds.get(1), bounds.size() > 2 ? bounds.get(2) : 1);
    }

    /** {@code cycler(...)}: one value after the other, and again. */
    static final class Cycler {

        private final List<@Nullable Object> values;
        private int at;

        Cycler(List<@Nullable Object> values) {
            this.values = values;
        }

        @Nullable
        Object member(String name) {
            return switch (name) {
                case "current" -> values.get(at);
                case "next" ->
                    (TemplateCallable) given -> {
                        Object current = values.get(at);
                        at = (at + 1) % values.size();
                        return current;
                    };
                case "reset" ->
                    (TemplateCallable) given -> {
                        at = 0;
                        return null;
                    };
                default -> new Undefined("a cycler has no '" + name + "'");
            };
        }
    }

    /** {@code joiner()}: nothing the first time, then the separator. */
    static final class Joiner implements TemplateCallable {

        private final String separator;
        private boolean used;

        Joiner(String separator) {
            this.separator = separator;
        }

        @Override
        public Object call(TemplateArguments given) {
            String text = used ? separator : "";
            used = true;
            return text;
        }
    }

    /** {@code strftime_now(format)}: the present time. */
    private static String strftimeNow(String format) {
        Object now = JinjavaInterpreter.getCurrent().getContext().get(NOW);
        ZonedDateTime time = now instanceof ZonedDateTime given ? given : ZonedDateTime.now();
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < format.length(); i++) {
            char c = format.charAt(i);
            if (c == '%' && format.startsWith("-", i + 1) && i + 2 < format.length()) {
                i += 2;
                String field = field(time, format.charAt(i));
                out.append(field.length() > 1 && field.startsWith("0") ? field.replaceFirst("^0+(?=.)", "") : field);
            } else if (c == '%' && i + 1 < format.length()) {
                out.append(field(time, format.charAt(++i)));
            } else {
                out.append(c);
            }
        }
        return out.toString();
    }

    private static String field(ZonedDateTime time, char code) {
        return switch (code) {
            case 'd' -> two(time.getDayOfMonth());
            case 'm' -> two(time.getMonthValue());
            case 'y' -> two(time.getYear() % 100);
            case 'Y' -> String.valueOf(time.getYear());
            case 'H' -> two(time.getHour());
            case 'M' -> two(time.getMinute());
            case 'S' -> two(time.getSecond());
            case 'b' -> time.getMonth().getDisplayName(TextStyle.SHORT, Locale.US);
            case 'B' -> time.getMonth().getDisplayName(TextStyle.FULL, Locale.US);
            case 'a' -> time.getDayOfWeek().getDisplayName(TextStyle.SHORT, Locale.US);
            case 'A' -> time.getDayOfWeek().getDisplayName(TextStyle.FULL, Locale.US);
            case 'e' -> String.format(Locale.ROOT, "%2d", time.getDayOfMonth());
            case 'I' -> two((time.getHour() + 11) % 12 + 1);
            case 'p' -> time.getHour() < 12 ? "AM" : "PM";
            case 'j' -> String.format(Locale.ROOT, "%03d", time.getDayOfYear());
            case 'u' -> String.valueOf(time.getDayOfWeek().getValue());
            case 'w' -> String.valueOf(time.getDayOfWeek().getValue() % 7);
            case 'D', 'x' -> field(time, 'm') + "/" + field(time, 'd') + "/" + field(time, 'y');
            case 'F' -> field(time, 'Y') + "-" + field(time, 'm') + "-" + field(time, 'd');
            case 'T', 'X' -> field(time, 'H') + ":" + field(time, 'M') + ":" + field(time, 'S');
            case 'R' -> field(time, 'H') + ":" + field(time, 'M');
            // Python's now() knows no time zone.
            case 'Z', 'z' -> "";
            case 'n' -> "\n";
            case 't' -> "\t";
            case '%' -> "%";
            default -> throw new UserErrorException("the chat template asks for the time as %" + code);
        };
    }

    private static String two(int number) {
        return String.format(Locale.ROOT, "%02d", number);
    }
}
