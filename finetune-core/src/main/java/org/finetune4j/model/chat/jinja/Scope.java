package org.finetune4j.model.chat.jinja;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The names that a part of a template knows: its own, then those around it. A loop's body, a macro and every block whose
 * text is taken have a scope of their own; a condition's branches have not.
 */
final class Scope {

    private final @Nullable Scope outer;
    private final Map<String, @Nullable Object> own = new HashMap<>();

    Scope(@Nullable Scope outer) {
        this.outer = outer;
    }

    Scope inner() {
        return new Scope(this);
    }

    /** What a name stands for: {@link Undefined} where it stands for nothing. */
    @Nullable
    Object get(String name) {
        for (Scope scope = this; scope != null; scope = scope.outer) {
            Object value = scope.own.get(name);
            if (value != null || scope.own.containsKey(name)) {
                return value;
            }
        }
        return new Undefined("'" + name + "' is undefined");
    }

    void set(String name, @Nullable Object value) {
        own.put(name, value);
    }

    /** Forgets its own names, as a loop does after each round. */
    void clear() {
        own.clear();
    }
}
