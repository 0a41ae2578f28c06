package org.finetune4j.model.chat.jinja;

import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** The elements that a test lets through; each is tested when it is asked for, never before. */
final class FilteredIterator implements Iterator<@Nullable Object> {

    private final Iterator<@Nullable Object> elements;
    private final Predicate<@Nullable Object> test;
    private @Nullable Object following;
    private boolean known;

    FilteredIterator(Iterator<@Nullable Object> elements, Predicate<@Nullable Object> test) {
        this.elements = elements;
        this.test = test;
    }

    @Override
    public boolean hasNext() {
        while (!known && elements.hasNext()) {
            following = elements.next();
            known = test.test(following);
        }
        return known;
    }

    @Override
    public @Nullable Object next() {
        if (!hasNext()) {
            throw new NoSuchElementException();
        }
        known = false;
        return following;
    }
}
