package org.finetune4j.generate.grammar;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * All ways to read what there is of an answer.
 *
 * @param next what may come next, each beginning with an element that reads bytes
 * @param mayEnd whether nothing has to come
 */
record Readings(Set<Pending> next, boolean mayEnd) {

    /** A JSON of a schema is read in one way, or in as many as it has alternatives. */
    private static final int MOST = 4096;

    /** What is to come when nothing has been read. */
    static Readings begin(Element whole) {
        Expansion expansion = new Expansion();
        expansion.add(new Pending(whole, 0, null));
        return expansion.readings();
    }

    Readings after(int value) {
        Expansion expansion = new Expansion();
        for (Pending pending : next) {
            if (pending.element() instanceof Element.OneOf set && set.has(value)) {
                expansion.add(pending.next());
            } else if (pending.element() instanceof Element.Machine machine) {
                long state = machine.after(pending.progress(), value);
                if (state != Element.Machine.DEAD) {
                    expansion.add(new Pending(machine, state, pending.next()));
                }
            } else if (pending.element() instanceof Element.Literal literal
                    && literal.at((int) pending.progress()) == value) {
                int read = (int) pending.progress() + 1;
                expansion.add(read == literal.length() ? pending.next() : new Pending(literal, read, pending.next()));
            }
        }
        return expansion.readings();
    }

    /** Readings after which the same can come, as far as so many bytes reach; these themselves where there are no others. */
    Readings alike(int reach) {
        Set<Pending> all = new LinkedHashSet<>();
        boolean same = true;
        for (Pending pending : next) {
            Pending other = pending;
            if (pending.element() instanceof Element.Machine machine) {
                long state = machine.alike(pending.progress(), reach);
                if (state != pending.progress()) {
                    other = new Pending(machine, state, pending.next());
                    same = false;
                }
            }
            all.add(other);
        }
        return same ? this : new Readings(all, mayEnd);
    }

    boolean isEmpty() {
        return next.isEmpty() && !mayEnd;
    }

    boolean mustEnd() {
        return next.isEmpty() && mayEnd;
    }

    /** Opens what is to come until it begins with bytes. */
    private static final class Expansion {

        private final Set<Pending> bytes = new LinkedHashSet<>();
        private final Set<Pending> seen = new HashSet<>();
        private final Deque<Pending> open = new ArrayDeque<>();
        private boolean mayEnd;

        void add(@Nullable Pending pending) {
            if (pending == null) {
                mayEnd = true;
            } else if (seen.add(pending)) {
                if (seen.size() > MOST) {
                    throw new GrammarException("the grammar of the answer can be read in more than " + MOST
                            + " ways at once: give alternatives that differ earlier");
                }
                open.push(pending);
            }
        }

        Readings readings() {
            while (!open.isEmpty()) {
                open(open.pop());
            }
            return new Readings(bytes, mayEnd);
        }

        private void open(Pending pending) {
            Pending rest = pending.next();
            if (pending.element() instanceof Element.Sequence sequence) {
                int place = (int) pending.progress();
                if (place == sequence.parts().size()) {
                    add(rest);
                } else {
                    boolean last = place + 1 == sequence.parts().size();
                    add(new Pending(
                            sequence.parts().get(place), 0, last ? rest : new Pending(sequence, place + 1, rest)));
                }
            } else if (pending.element() instanceof Element.Choice choice) {
                choice.parts().forEach(part -> add(new Pending(part, 0, rest)));
            } else if (pending.element() instanceof Element.Reference reference) {
                add(new Pending(reference.target(), 0, rest));
            } else if (pending.element() instanceof Element.Repeat repeat) {
                int count = (int) pending.progress();
                if (repeat.mayEndAfter(count)) {
                    add(rest);
                }
                if (repeat.mayGoOnAfter(count)) {
                    add(new Pending(repeat.part(), 0, new Pending(repeat, repeat.after(count), rest)));
                }
            } else if (pending.element() instanceof Element.Machine machine) {
                if (machine.mayEnd(pending.progress())) {
                    add(rest);
                }
                if (machine.mayGoOn(pending.progress())) {
                    bytes.add(pending);
                }
            } else if (pending.element() instanceof Element.Literal literal && literal.length() == 0) {
                add(rest);
            } else {
                bytes.add(pending);
            }
        }
    }
}
