package org.finetune4j.model.chat.jinja;

import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Python's generator: it can be gone through once, is always true, and has no length. */
final class PythonIterator implements Iterator<@Nullable Object> {

    private final Iterator<? extends @Nullable Object> elements;

    PythonIterator(List<? extends @Nullable Object> elements) {
        this.elements = elements.iterator();
    }

    @Override
    public boolean hasNext() {
        return elements.hasNext();
    }

    @Override
    public @Nullable Object next() {
        return elements.next();
    }
}
