package org.finetune4j.model.chat;

import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.filter.AdvancedFilter;
import com.hubspot.jinjava.lib.filter.Filter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The filters whose results differ from Jinja2's in the renderer's own version. */
final class TemplateFilters {

    private TemplateFilters() {}

    static List<Filter> all() {
        return List.of(
                filter("tojson", (value, arguments, named) -> {
                    Object indent = named.getOrDefault("indent", arguments.isEmpty() ? null : arguments.get(0));
                    return PythonText.json(value, indent instanceof Number spaces ? spaces.intValue() : null);
                }),
                filter("trim", (value, arguments, named) -> PythonText.str(value)
                        .strip()),
                filter("string", (value, arguments, named) -> PythonText.str(value)),
                filter(
                        "items",
                        (value, arguments, named) ->
                                value instanceof Map<?, ?> map ? PythonMethods.items(map) : List.of()),
                filter("reverse", (value, arguments, named) -> {
                    if (value instanceof CharSequence text) {
                        return new StringBuilder(text).reverse().toString();
                    }
                    List<Object> reversed = new ArrayList<>(value instanceof List<?> list ? list : List.of());
                    Collections.reverse(reversed);
                    return reversed;
                }));
    }

    @FunctionalInterface
    private interface Body {
        @Nullable
        Object apply(@Nullable Object value, List<@Nullable Object> arguments, Map<String, Object> named);
    }

    private static Filter filter(String name, Body body) {
        return new AdvancedFilter() {
            @Override
            public String getName() {
                return name;
            }

            @Override
            public @Nullable Object filter(
                    @Nullable Object value,
                    JinjavaInterpreter interpreter,
                    Object[] arguments,
                    Map<String, Object> named) {
                return body.apply(value, Arrays.asList(arguments), named);
            }
        };
    }
}
