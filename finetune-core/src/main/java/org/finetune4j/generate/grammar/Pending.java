package org.finetune4j.generate.grammar;

import org.jspecify.annotations.Nullable;

/**
 * What is still to come in one reading of what there is: an element, how far it has been read, and what follows it.
 *
 * <p>Compared without recursion: it is as long as what it stands for is nested.
 */
final class Pending {

    private final Element element;
    private final long progress;
    private final @Nullable Pending next;
    private final int hash;

    /**
     * @param progress bytes of a literal, parts of a sequence, rounds of a repetition, or the state of a machine
     * @param next what follows, or null for the end
     */
    Pending(Element element, long progress, @Nullable Pending next) {
        this.element = element;
        this.progress = progress;
        this.next = next;
        this.hash =
                31 * (31 * System.identityHashCode(element) + Long.hashCode(progress)) + (next == null ? 0 : next.hash);
    }

    Element element() {
        return element;
    }

    long progress() {
        return progress;
    }

    @Nullable
    Pending next() {
        return next;
    }

    @Override
    public boolean equals(@Nullable Object other) {
        Pending one = this;
        Pending two = other instanceof Pending pending ? pending : null;
        while (one != two) {
            if (one == null
                    || two == null
                    || one.hash != two.hash
                    || one.element != two.element
                    || one.progress != two.progress) {
                return false;
            }
            one = one.next;
            two = two.next;
        }
        return true;
    }

    @Override
    public int hashCode() {
        return hash;
    }
}
