package org.finetune4j.regex;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A pattern as a graph that is walked in several places at once (Thompson 1968): nodes that read a character, and edges between them that
 * read none. A pattern is found anywhere in a text, as JSON Schema has it, unless it says where the text begins and ends.
 */
final class PatternGraph {

    private static final int MOST_NODES = 10_000;

    private enum Passing {
        ALWAYS,
        AT_BEGIN,
        AT_END
    }

    private final List<@Nullable CharacterSet> reads = new ArrayList<>();
    private final List<Passing> passing = new ArrayList<>();
    private final List<List<Integer>> edges = new ArrayList<>();
    private final int start;
    private final int end;
    private long visited;

    PatternGraph(PatternNode pattern) {
        this.end = node(CharacterSet.ALL);
        edges.get(end).add(end); // whatever follows what was found
        int before = node(CharacterSet.ALL);
        int found = build(pattern, end);
        edges.get(before).addAll(List.of(before, found));
        this.start = node(null);
        edges.get(start).addAll(List.of(before, found));
    }

    private int node(@Nullable CharacterSet set) {
        if (reads.size() >= MOST_NODES) {
            throw new PatternException("it is too large: it has more than " + MOST_NODES + " parts");
        }
        reads.add(set);
        passing.add(Passing.ALWAYS);
        edges.add(new ArrayList<>());
        return reads.size() - 1;
    }

    /** Where a part begins that goes on to a node. */
    private int build(PatternNode part, int next) {
        if (part instanceof PatternNode.One one) {
            int node = node(one.of());
            edges.get(node).add(next);
            return node;
        }
        if (part instanceof PatternNode.Sequence sequence) {
            int follows = next;
            for (int i = sequence.parts().size() - 1; i >= 0; i--) {
                follows = build(sequence.parts().get(i), follows);
            }
            return follows;
        }
        if (part instanceof PatternNode.Choice choice) {
            int fork = node(null);
            for (PatternNode each : choice.parts()) {
                edges.get(fork).add(build(each, next));
            }
            return fork;
        }
        if (part instanceof PatternNode.Repeat repeat) {
            return build(repeat, next);
        }
        int border = node(null);
        passing.set(border, part instanceof PatternNode.Begin ? Passing.AT_BEGIN : Passing.AT_END);
        edges.get(border).add(next);
        return border;
    }

    private int build(PatternNode.Repeat repeat, int next) {
        int follows = next;
        if (repeat.most() < 0) {
            int loop = node(null);
            edges.get(loop).add(next);
            edges.get(loop).add(build(repeat.part(), loop));
            follows = loop;
        } else {
            for (int i = repeat.least(); i < repeat.most(); i++) {
                int fork = node(null);
                edges.get(fork).add(next);
                edges.get(fork).add(build(repeat.part(), follows));
                follows = fork;
            }
        }
        for (int i = 0; i < repeat.least(); i++) {
            follows = build(repeat.part(), follows);
        }
        return follows;
    }

    int size() {
        return reads.size();
    }

    /** What a node reads, or null where it reads nothing. */
    @Nullable
    CharacterSet reads(int node) {
        return reads.get(node);
    }

    /** The place behind the character that a node reads. */
    List<Integer> behind(int node) {
        return edges.get(node);
    }

    /** Where a text begins. */
    BitSet begin() {
        return reached(List.of(start), true, false);
    }

    /**
     * All places that are reached without reading.
     *
     * @param atBegin whether nothing has been read
     * @param atEnd whether nothing follows
     * @return the nodes; the last one alone where it is among them: whatever else there is, it is found
     */
    BitSet reached(Iterable<Integer> from, boolean atBegin, boolean atEnd) {
        BitSet all = new BitSet();
        Deque<Integer> open = new ArrayDeque<>();
        from.forEach(open::push);
        while (!open.isEmpty()) {
            int node = open.pop();
            if (all.get(node)) {
                continue;
            }
            all.set(node);
            visited++;
            Passing border = passing.get(node);
            boolean passes = border == Passing.ALWAYS || (border == Passing.AT_BEGIN ? atBegin : atEnd);
            if (reads.get(node) == null && passes) {
                edges.get(node).forEach(open::push);
            }
        }
        if (all.get(end)) {
            all.clear();
            all.set(end);
        }
        return all;
    }

    /** How many nodes have been looked at. */
    long visited() {
        return visited;
    }

    /** Whether a text may end in these places. */
    boolean accepts(BitSet places, boolean atBegin) {
        return places.get(end)
                || reached(() -> places.stream().iterator(), atBegin, true).get(end);
    }
}
