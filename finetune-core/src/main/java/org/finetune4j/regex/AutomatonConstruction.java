package org.finetune4j.regex;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/** Makes states of sets of places in a graph. */
final class AutomatonConstruction {

    /** What a state takes by itself. */
    private static final int STATE_STEPS = 50;

    private final PatternGraph graph;
    private final long mostSteps;
    private final Map<BitSet, Integer> numbers = new HashMap<>();
    private final List<BitSet> places = new ArrayList<>();
    private final BitSet accepting = new BitSet();
    private long steps;

    AutomatonConstruction(PatternGraph graph, long steps, long mostSteps) {
        this.graph = graph;
        this.steps = steps + graph.size();
        this.mostSteps = mostSteps;
    }

    CharacterAutomaton automaton() {
        BitSet begin = graph.begin();
        places.add(begin); // by no name: where nothing has been read, more can be passed than anywhere else
        accepting.set(0, graph.accepts(begin, true));
        List<int[]> edges = new ArrayList<>();
        for (int state = 0; state < places.size(); state++) {
            edges.add(edges(places.get(state)));
        }
        return new CharacterAutomaton(edges, accepting, steps + graph.visited());
    }

    private int[] edges(BitSet from) {
        count(STATE_STEPS);
        TreeSet<Integer> borders = new TreeSet<>();
        for (int node = from.nextSetBit(0); node >= 0; node = from.nextSetBit(node + 1)) {
            CharacterSet set = graph.reads(node);
            for (int i = 0; set != null && i < set.size(); i++) {
                borders.add(set.first(i));
                borders.add(set.last(i) + 1);
            }
        }
        int[] cuts = borders.stream().mapToInt(Integer::intValue).toArray();
        List<List<Integer>> targets = new ArrayList<>();
        Arrays.stream(cuts).forEach(cut -> targets.add(new ArrayList<>()));
        for (int node = from.nextSetBit(0); node >= 0; node = from.nextSetBit(node + 1)) {
            CharacterSet set = graph.reads(node);
            for (int i = 0; set != null && i < set.size(); i++) {
                int place = Arrays.binarySearch(cuts, set.first(i));
                for (; cuts[place] <= set.last(i); place++) {
                    targets.get(place).addAll(graph.behind(node));
                    count(1);
                }
            }
        }
        return ranges(cuts, targets);
    }

    private int[] ranges(int[] cuts, List<List<Integer>> targets) {
        int[] own = new int[3 * cuts.length];
        int length = 0;
        Map<List<Integer>, Integer> known = new HashMap<>(); // classes have hundreds of ranges, all with one target
        for (int i = 0; i < cuts.length; i++) {
            if (targets.get(i).isEmpty()) {
                continue;
            }
            int target = known.computeIfAbsent(targets.get(i), this::state);
            if (length > 0 && own[length - 1] == target && own[length - 2] == cuts[i] - 1) {
                own[length - 2] = cuts[i + 1] - 1;
            } else {
                own[length++] = cuts[i];
                own[length++] = cuts[i + 1] - 1;
                own[length++] = target;
            }
        }
        return Arrays.copyOf(own, length);
    }

    private int state(List<Integer> from) {
        BitSet reached = graph.reached(from, false, false);
        count(1 + graph.size() / 64); // to look for it among the others
        Integer known = numbers.get(reached);
        if (known == null) {
            known = places.size();
            if (known >= CharacterAutomaton.MOST_STATES) {
                throw new PatternException(
                        "it is too large: it needs more than " + CharacterAutomaton.MOST_STATES + " states");
            }
            numbers.put(reached, known);
            places.add(reached);
            accepting.set(known, graph.accepts(reached, false));
        }
        return known;
    }

    private void count(int more) {
        steps += more;
        if (steps + graph.visited() > mostSteps) {
            throw new PatternException("it is too large: it takes more than " + mostSteps + " steps to make");
        }
    }
}
