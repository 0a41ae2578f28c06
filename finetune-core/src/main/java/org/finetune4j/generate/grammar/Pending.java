package org.finetune4j.generate.grammar;

import org.jspecify.annotations.Nullable;

/**
 * What is still to come in one reading of what there is: an element, how far it has been read, and what follows it.
 *
 * <p>Compared without recursion: it is as long as what it stands for is nested.
 */
final class Pending {

    private final Element element;
    private final int progress;
    private final @Nullable Pending next;
    private final int hash;

    /**
     * @param progress bytes of a literal, parts of a sequence, or rounds of a repetition
     * @param next what follows, or null for the end
     */
    Pending(Element element, int progress, @Nullable Pending next) {
        this.element = element;
        this.progress = progress;
        this.next = next;
        this.hash = 31 * (31 * System.identityHashCode(element) + progress) + (next == null ? 0 : next.hash);
    }

    Element element() {
        return element;
    }

    int progress() {
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
