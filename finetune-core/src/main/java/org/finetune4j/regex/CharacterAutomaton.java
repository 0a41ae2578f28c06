package org.finetune4j.regex;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * A deterministic automaton over the characters of a text, made of a pattern of JSON Schema: it can be walked a character at a time, and
 * knows of every state which characters lead on. States are counted from 0, where a text begins.
 */
public final class CharacterAutomaton {

    /** Texts of any characters. */
    public static final CharacterAutomaton ANY = new CharacterAutomaton(List.of(edges(CharacterSet.ALL)), bits(0), 0);

    static final int MOST_STATES = 10_000;

    /** Of each state the first and the last character of a range and the state that it leads to, by the order of characters. */
    private final List<int[]> edges;

    /** Of each state those that it leads to, each once. */
    private final List<int[]> successors;

    private final BitSet accepting;
    private final BitSet alive;
    private final long steps;

    CharacterAutomaton(List<int[]> edges, BitSet accepting, long steps) {
        this.edges = edges;
        this.accepting = accepting;
        this.steps = steps;
        this.successors = edges.stream()
                .map(own -> IntStream.range(0, own.length / 3)
                        .map(i -> own[3 * i + 2])
                        .distinct()
                        .toArray())
                .toList();
        this.alive = reachEnd();
    }

    private BitSet reachEnd() {
        List<List<Integer>> predecessors = new ArrayList<>();
        successors.forEach(own -> predecessors.add(new ArrayList<>()));
        for (int state = 0; state < successors.size(); state++) {
            for (int next : successors.get(state)) {
                predecessors.get(next).add(state);
            }
        }
        BitSet all = (BitSet) accepting.clone();
        Deque<Integer> open = new ArrayDeque<>(accepting.stream().boxed().toList());
        while (!open.isEmpty()) {
            for (int before : predecessors.get(open.pop())) {
                if (!all.get(before)) {
                    all.set(before);
                    open.push(before);
                }
            }
        }
        return all;
    }

    private static int[] edges(CharacterSet set) {
        int[] all = new int[3 * set.size()];
        for (int i = 0; i < set.size(); i++) {
            all[3 * i] = set.first(i);
            all[3 * i + 1] = set.last(i);
        }
        return all;
    }

    private static BitSet bits(int only) {
        BitSet bits = new BitSet();
        bits.set(only);
        return bits;
    }

    /**
     * Of a pattern, which is found anywhere in a text unless it says where that begins and ends.
     *
     * @param pattern by ECMA-262's grammar
     * @param mostSteps how much work may be done
     * @return the automaton
     * @throws PatternException when the text is no pattern, has what no automaton does, or takes more work
     */
    public static CharacterAutomaton of(String pattern, long mostSteps) {
        EcmaSyntax.Parsed parsed = EcmaSyntax.parse(pattern, mostSteps);
        return new AutomatonConstruction(new PatternGraph(parsed.pattern()), parsed.steps(), mostSteps).automaton();
    }

    /**
     * Texts that both automata read.
     *
     * @param other another automaton
     * @return an automaton
     * @throws PatternException when it would be too large
     */
    public CharacterAutomaton and(CharacterAutomaton other) {
        Map<Long, Integer> numbers = new HashMap<>();
        List<long[]> pairs = new ArrayList<>();
        List<int[]> all = new ArrayList<>();
        BitSet both = new BitSet();
        numbers.put(0L, 0);
        pairs.add(new long[] {0, 0});
        for (int at = 0; at < pairs.size(); at++) {
            int[] one = edges.get((int) pairs.get(at)[0]);
            int[] two = other.edges.get((int) pairs.get(at)[1]);
            both.set(at, accepts((int) pairs.get(at)[0]) && other.accepts((int) pairs.get(at)[1]));
            int[] own = new int[one.length + two.length];
            int length = 0;
            for (int i = 0, j = 0; i < one.length && j < two.length; ) {
                int first = Math.max(one[i], two[j]);
                int last = Math.min(one[i + 1], two[j + 1]);
                if (first <= last) {
                    long[] pair = {one[i + 2], two[j + 2]};
                    Integer known = numbers.get(pair[0] << 32 | pair[1]);
                    if (known == null) {
                        known = pairs.size();
                        if (known >= MOST_STATES) {
                            throw new PatternException("together they are too large");
                        }
                        numbers.put(pair[0] << 32 | pair[1], known);
                        pairs.add(pair);
                    }
                    own[length++] = first;
                    own[length++] = last;
                    own[length++] = known;
                }
                if (one[i + 1] < two[j + 1]) {
                    i += 3;
                } else {
                    j += 3;
                }
            }
            all.add(Arrays.copyOf(own, length));
        }
        return new CharacterAutomaton(all, both, steps + other.steps + pairs.size());
    }

    /** {@return how many states there are} */
    public int states() {
        return edges.size();
    }

    /** {@return how many pairs of states there are of which one leads to the other} */
    public int transitions() {
        return successors.stream().mapToInt(own -> own.length).sum();
    }

    /** {@return the states from which a text can come to its end} */
    public BitSet alive() {
        return (BitSet) alive.clone();
    }

    /**
     * {@return the states that lead to one of these}
     *
     * @param targets states
     */
    public BitSet leadingTo(BitSet targets) {
        BitSet from = new BitSet();
        for (int state = 0; state < successors.size(); state++) {
            for (int next : successors.get(state)) {
                if (targets.get(next)) {
                    from.set(state);
                    break;
                }
            }
        }
        return from;
    }

    /** {@return how much work it was to make this} */
    public long steps() {
        return steps;
    }

    /**
     * {@return whether a text may end here}
     *
     * @param state where it is
     */
    public boolean accepts(int state) {
        return accepting.get(state);
    }

    /**
     * {@return the state after one more character, or -1 where that cannot come}
     *
     * @param state where the text is
     * @param character a code point
     */
    public int after(int state, int character) {
        int[] own = edges.get(state);
        int at = firstNotBefore(own, character);
        return at < own.length && own[at] <= character ? own[at + 2] : -1;
    }

    /**
     * {@return the state that all characters of a range lead to, or -1 where they lead to several, or some cannot come}
     *
     * @param state where the text is
     * @param first of the range, a code point
     * @param last of the range, a code point
     */
    public int after(int state, int first, int last) {
        int[] own = edges.get(state);
        int at = firstNotBefore(own, first);
        return at < own.length && own[at] <= first && own[at + 1] >= last ? own[at + 2] : -1;
    }

    /**
     * {@return whether some character of a range leads to one of these states}
     *
     * @param state where the text is
     * @param first of the range, a code point
     * @param last of the range, a code point
     * @param targets states, of which one is wanted
     */
    public boolean leads(int state, int first, int last, BitSet targets) {
        int[] own = edges.get(state);
        for (int at = firstNotBefore(own, first); at < own.length && own[at] <= last; at += 3) {
            if (targets.get(own[at + 2])) {
                return true;
            }
        }
        return false;
    }

    /** The place of the first range that does not end before a character. */
    private static int firstNotBefore(int[] own, int character) {
        int low = 0;
        int high = own.length / 3;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (own[3 * middle + 1] < character) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return 3 * low;
    }
}
