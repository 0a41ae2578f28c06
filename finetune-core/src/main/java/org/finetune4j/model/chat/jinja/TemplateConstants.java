package org.finetune4j.model.chat.jinja;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a rewritten template refers to by number: texts, numbers, names and the targets of assignments. So no quote, brace
 * or backslash of a template is ever read a second time.
 */
final class TemplateConstants {

    /** The name under which a rendering finds them. */
    static final String NAME = "__constants";

    private final List<@Nullable Object> values = new ArrayList<>();

    /** The number of a new one. */
    int add(@Nullable Object value) {
        values.add(value);
        return values.size() - 1;
    }

    /** The expression that stands for one. */
    String expression(@Nullable Object value) {
        return "__constant(" + add(value) + ")";
    }

    @Nullable
    Object get(int number) {
        return values.get(number);
    }
}
