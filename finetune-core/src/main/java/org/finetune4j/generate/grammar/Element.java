package org.finetune4j.generate.grammar;

import java.nio.charset.StandardCharsets;
import java.util.BitSet;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A part of a grammar over bytes. Two elements are the same only if they are one object: what was read is told by the place in the
 * grammar.
 */
sealed interface Element {

    /** One byte of several. */
    final class OneOf implements Element {

        private final BitSet bytes;

        OneOf(BitSet bytes) {
            this.bytes = bytes;
        }

        boolean has(int value) {
            return bytes.get(value);
        }
    }

    /** These bytes, one after the other. */
    final class Literal implements Element {

        private final byte[] bytes;

        Literal(String text) {
            this.bytes = text.getBytes(StandardCharsets.UTF_8);
        }

        int length() {
            return bytes.length;
        }

        int at(int place) {
            return bytes[place] & 0xff;
        }
    }

    /** What a machine with states reads, such as a text of a pattern, or a number of a range. It begins in state 0. */
    abstract non-sealed class Machine implements Element {

        /** No state: what was read cannot come. */
        static final long DEAD = -1;

        /** The state after one more byte, or {@link #DEAD}; there is always a way from a state to an end. */
        abstract long after(long state, int value);

        /** Whether what was read is whole. */
        abstract boolean mayEnd(long state);

        /** Whether more can come. */
        abstract boolean mayGoOn(long state);

        /** A state from which the same can come, as far as so many bytes reach: one of many, where they are alike. */
        long alike(long state, int reach) {
            return state;
        }
    }

    /** Parts one after the other. */
    final class Sequence implements Element {

        private final List<Element> parts;

        Sequence(Element... parts) {
            this.parts = List.of(parts);
        }

        List<Element> parts() {
            return parts;
        }
    }

    /** One of several parts; none of them is nothing at all. */
    final class Choice implements Element {

        private List<Element> parts;

        Choice(List<? extends Element> parts) {
            this.parts = List.copyOf(parts);
        }

        Choice(Element... parts) {
            this(List.of(parts));
        }

        List<Element> parts() {
            return parts;
        }

        /** Leaves out the parts that are not wanted, before anything is read. */
        void keep(Predicate<Element> wanted) {
            parts = parts.stream().filter(wanted).toList();
        }
    }

    /**
     * A part several times.
     *
     * <p>Counts up to {@code least} and {@code most} are told apart, larger ones are not: a part without an upper bound has as many
     * states as its lower one.
     */
    final class Repeat implements Element {

        /** No bound. */
        static final int ANY = Integer.MAX_VALUE;

        private final Element part;
        private final int least;
        private int most;

        /** @param part of at least one byte */
        Repeat(Element part, int least, int most) {
            this.part = part;
            this.least = least;
            this.most = most;
        }

        Element part() {
            return part;
        }

        /** Leaves out the part, before anything is read. */
        void leaveOut() {
            most = 0;
        }

        boolean mayEndAfter(int count) {
            return count >= least;
        }

        boolean mayGoOnAfter(int count) {
            return count < most;
        }

        /** The count after one more, which need not be known beyond the bounds. */
        int after(int count) {
            return most == ANY ? Math.min(count + 1, least) : count + 1;
        }
    }

    /** What is defined later: a grammar may be within itself. */
    final class Reference implements Element {

        private @Nullable Element target;

        void define(Element element) {
            target = element;
        }

        Element target() {
            if (target == null) {
                throw new IllegalStateException("an element of a grammar was never defined");
            }
            return target;
        }
    }
}
