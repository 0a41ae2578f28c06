package org.finetune4j.model.chat.jinja;

import java.util.AbstractList;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Python's tuple: a list that is written in round brackets. */
final class PythonTuple extends AbstractList<@Nullable Object> {

    private final List<@Nullable Object> elements;
    private final List<String> names;

    PythonTuple(List<? extends @Nullable Object> elements) {
        this(elements, List.of());
    }

    /** A tuple whose elements have names too. */
    PythonTuple(List<? extends @Nullable Object> elements, List<String> names) {
        this.elements = new ArrayList<>(elements);
        this.names = names;
    }

    List<String> names() {
        return names;
    }

    static PythonTuple of(@Nullable Object... elements) {
        return new PythonTuple(Arrays.asList(elements));
    }

    @Override
    public @Nullable Object get(int index) {
        return elements.get(index);
    }

    @Override
    public int size() {
        return elements.size();
    }
}
