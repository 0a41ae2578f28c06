package org.finetune4j.model.chat.jinja;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** The methods of Python's {@code str}, {@code dict}, {@code list} and {@code tuple} that a sandboxed template may call. */
final class PythonMethods {

    private static final Set<String> MAP = Set.of("items", "keys", "values", "get", "copy");
    private static final Set<String> LIST = Set.of("index", "count", "copy");
    /** Python's sandbox keeps these from templates. */
    private static final Set<String> UNSAFE =
            Set.of("append", "clear", "extend", "insert", "pop", "popitem", "remove", "setdefault", "sort", "update");

    private PythonMethods() {}

    /** {@code items()}, {@code keys()} or {@code values()} of a map: has a length, but no element can be asked for. */
    static final class View extends ArrayList<@Nullable Object> {

        private static final long serialVersionUID = 1L;

        private final String name;

        View(String name, Collection<? extends @Nullable Object> elements) {
            super(elements);
            this.name = name;
        }

        String name() {
            return name;
        }
    }

    static boolean exists(Object base, String method) {
        if (base instanceof CharSequence) {
            return PythonTextMethods.exists(method);
        }
        if (base instanceof Map) {
            return MAP.contains(method) || (UNSAFE.contains(method) && !LIST.contains(method) && isOfMap(method));
        }
        if (base instanceof View) {
            return false;
        }
        return base instanceof List && (LIST.contains(method) || (UNSAFE.contains(method) && !isOfMapOnly(method)));
    }

    private static boolean isOfMap(String method) {
        return isOfMapOnly(method) || method.equals("clear") || method.equals("pop");
    }

    private static boolean isOfMapOnly(String method) {
        return method.equals("popitem") || method.equals("setdefault") || method.equals("update");
    }

    /**
     * Calls a method.
     *
     * @throws UserErrorException when there is none of this name
     */
    static @Nullable Object call(Object base, String method, TemplateArguments given) {
        if (base instanceof PythonMarkup markup && PythonTextMethods.exists(method)) {
            return onMarkup(markup, method, given);
        }
        if (base instanceof CharSequence text && PythonTextMethods.exists(method)) {
            return PythonTextMethods.call(text.toString(), method, given);
        }
        if (UNSAFE.contains(method) && exists(base, method)) {
            throw new UserErrorException("the chat template calls '" + method
                    + "', which changes a value and is unsafe: transformers refuses it too");
        }
        if (base instanceof Map<?, ?> map && MAP.contains(method)) {
            return onMap(map, method, given);
        }
        if (base instanceof List<?> list && LIST.contains(method)) {
            return onList(list, method, given);
        }
        throw new UserErrorException("the chat template calls '" + method + "' on a '" + PythonValues.typeName(base)
                + "', which is not known");
    }

    /** Methods that take other texts would escape them. */
    private static Object onMarkup(PythonMarkup markup, String method, TemplateArguments given) {
        if (!given.positional().isEmpty() || !given.named().isEmpty()) {
            throw new UserErrorException(
                    "the chat template calls '" + method + "' on a text that is marked safe, which is not known here");
        }
        Object result = PythonTextMethods.call(markup.text(), method, given);
        return result instanceof String text ? new PythonMarkup(text) : result;
    }

    private static Object onList(List<?> list, String method, TemplateArguments given) {
        if (method.equals("copy")) {
            return PythonValues.elements(list, given.budget());
        }
        Object element = given.required(0, "value");
        long count = 0;
        for (int i = 0; i < list.size(); i++) {
            if (PythonValues.equal(list.get(i), element, given.budget())) {
                if (method.equals("index")) {
                    return (long) i;
                }
                count++;
            }
        }
        if (method.equals("count")) {
            return count;
        }
        throw new UserErrorException("the chat template asks where an element is that is not in the list");
    }

    private static @Nullable Object onMap(Map<?, ?> map, String method, TemplateArguments given) {
        if (!method.equals("get")) {
            given.budget().elements(6L * map.size());
        }
        return switch (method) {
            case "items" -> new View(method, items(map));
            case "keys" -> new View(method, map.keySet());
            case "values" -> new View(method, map.values());
            case "copy" -> new LinkedHashMap<>(map);
            default -> {
                Object known = PythonValues.key(given.required(0, "key"), given.budget());
                yield map.containsKey(known) ? map.get(known) : given.optional(1, "default", null);
            }
        };
    }

    /** The pairs of a map, each a tuple of key and value. */
    static List<@Nullable Object> items(Map<?, ?> map) {
        List<@Nullable Object> pairs = new ArrayList<>();
        map.forEach((key, value) -> pairs.add(PythonTuple.of(key, value)));
        return pairs;
    }
}
