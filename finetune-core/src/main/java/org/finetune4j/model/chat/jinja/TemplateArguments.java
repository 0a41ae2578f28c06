package org.finetune4j.model.chat.jinja;

import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * The arguments of a call, by place or by name.
 *
 * @param function what is called, for messages
 * @param budget what the call is paid from
 */
record TemplateArguments(
        String function, List<@Nullable Object> positional, Map<String, @Nullable Object> named, RenderBudget budget) {

    boolean has(int place, String name) {
        return place < positional.size() || named.containsKey(name);
    }

    @Nullable
    Object required(int place, String name) {
        if (!has(place, name)) {
            throw new UserErrorException("the chat template calls '" + function + "' without its '" + name + "'");
        }
        return optional(place, name, null);
    }

    @Nullable
    Object optional(int place, String name, @Nullable Object otherwise) {
        return place < positional.size()
                ? positional.get(place)
                : named.containsKey(name) ? named.get(name) : otherwise;
    }

    String text(int place, String name) {
        Object value = required(place, name);
        if (value instanceof CharSequence text) {
            return text.toString();
        }
        throw new UserErrorException("the chat template calls '" + function + "' with a '"
                + PythonValues.typeName(value) + "' as '" + name + "': it must be a text");
    }

    @Nullable
    String optionalText(int place, String name) {
        return optional(place, name, null) == null ? null : text(place, name);
    }

    int integer(int place, String name, int otherwise) {
        Object value = optional(place, name, null);
        return value == null ? otherwise : PythonNumbers.index(value);
    }

    /** A call without arguments. */
    static TemplateArguments none(String function, RenderBudget budget) {
        return new TemplateArguments(function, List.of(), Map.of(), budget);
    }

    boolean truth(int place, String name, boolean otherwise) {
        return has(place, name) ? PythonValues.truth(optional(place, name, null)) : otherwise;
    }

    /** The same without the first {@code count} arguments by place. */
    TemplateArguments from(int count) {
        return new TemplateArguments(
                function, positional.subList(Math.min(count, positional.size()), positional.size()), named, budget);
    }
}
