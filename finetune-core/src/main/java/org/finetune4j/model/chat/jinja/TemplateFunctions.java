package org.finetune4j.model.chat.jinja;

import java.time.ZonedDateTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** The functions that Jinja2 and transformers give to chat templates. */
final class TemplateFunctions {

    private TemplateFunctions() {}

    /**
     * All of them by name.
     *
     * @param now the present time
     */
    static Map<String, TemplateCallable> all(ZonedDateTime now) {
        return Map.of(
                "raise_exception", TemplateFunctions::raiseException,
                "strftime_now", given -> strftime(now, given),
                "namespace", given -> new TemplateNamespace(members(given)),
                "dict", TemplateFunctions::members,
                "range", given -> PythonRange.of(given.positional()),
                "cycler", given -> new Cycler(given.positional()),
                "joiner", given -> new Joiner(PythonText.printed(given.optional(0, "sep", ", "), given.budget())));
    }

    private static Object raiseException(TemplateArguments given) {
        throw new UserErrorException("the chat template refuses the conversation: "
                + PythonText.str(given.required(0, "message"), given.budget()));
    }

    private static String strftime(ZonedDateTime now, TemplateArguments given) {
        String format = given.text(0, "format");
        // No field is longer than a written date.
        given.budget().write(16L * format.length());
        return PythonTime.format(now, format);
    }

    private static Map<String, @Nullable Object> members(TemplateArguments given) {
        Map<String, @Nullable Object> members = new LinkedHashMap<>();
        Object first = given.optional(0, "", null);
        if (first instanceof Map<?, ?> map) {
            given.budget().elements(4L * map.size());
            map.forEach((key, value) -> members.put(String.valueOf(key), value));
        } else if (first != null) {
            for (Object pair : PythonValues.elements(first, given.budget())) {
                List<@Nullable Object> both = PythonValues.elements(pair, given.budget());
                if (both.size() != 2) {
                    throw new UserErrorException("the chat template makes a map of what are no pairs");
                }
                members.put(PythonText.str(both.get(0), given.budget()), both.get(1));
            }
        }
        members.putAll(given.named());
        return members;
    }

    /** {@code cycler(...)}: one value after the other, and again. */
    static final class Cycler {

        private final List<@Nullable Object> values;
        private int at;

        Cycler(List<@Nullable Object> values) {
            if (values.isEmpty()) {
                throw new UserErrorException("the chat template calls 'cycler' without values");
            }
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
}
