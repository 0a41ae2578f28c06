package org.finetune4j.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Samples that begin with the same tokens, of which none is learned: the lines that a template puts before every instruction, a system
 * message, examples of a task. In a row they need to be there once: the first sample of a group lies there whole, and what the others go
 * on with is a branch of it each.
 *
 * @param samples at least one
 * @param shared how many tokens they begin with together; 0 for one by itself
 */
record SharedBeginnings(List<Sample> samples, int shared) {

    /** Fewer tokens are not worth the mask that a branch needs. */
    private static final int FEWEST = 8;

    /**
     * Groups samples so that as few tokens as possible are left: neighbours in the order of their tokens begin alike.
     *
     * @param samples any; those with positions of their own stay by themselves
     * @return the groups, in the order of their first samples; in each of them the samples are in their order
     */
    static List<SharedBeginnings> of(List<Sample> samples) {
        int count = samples.size();
        int[] order = IntStream.range(0, count)
                .boxed()
                .sorted((a, b) ->
                        Arrays.compare(samples.get(a).inputIds(), samples.get(b).inputIds()))
                .mapToInt(Integer::intValue)
                .toArray();
        int[] alike = new int[count]; // each with the one before it
        for (int i = 1; i < count; i++) {
            alike[i] = alike(samples.get(order[i - 1]), samples.get(order[i]));
        }
        long[] saved = new long[count + 1]; // by the first i
        int[] from = new int[count + 1]; // where their last group begins
        int[] shared = new int[count + 1]; // what its samples share
        for (int end = 1; end <= count; end++) {
            saved[end] = saved[end - 1];
            from[end] = end - 1;
            int least = Integer.MAX_VALUE;
            for (int begin = end - 2; begin >= 0; begin--) {
                least = Math.min(least, alike[begin + 1]);
                if (least < FEWEST) {
                    break;
                }
                long together = saved[begin] + (long) least * (end - begin - 1);
                if (together > saved[end]) {
                    saved[end] = together;
                    from[end] = begin;
                    shared[end] = least;
                }
            }
        }
        List<int[]> groups = new ArrayList<>();
        List<SharedBeginnings> found = new ArrayList<>();
        for (int end = count; end > 0; end = from[end]) {
            int[] members = Arrays.copyOfRange(order, from[end], end);
            Arrays.sort(members);
            groups.add(new int[] {members[0], found.size()});
            found.add(new SharedBeginnings(
                    Arrays.stream(members).mapToObj(samples::get).toList(), shared[end]));
        }
        return groups.stream()
                .sorted(Comparator.comparingInt(group -> group[0]))
                .map(group -> found.get(group[1]))
                .toList();
    }

    /** How many tokens both begin with and neither learns; both go on after them. */
    private static int alike(Sample a, Sample b) {
        int limit = Math.min(unlearned(a), unlearned(b));
        int differs = Arrays.mismatch(a.inputIds(), b.inputIds());
        return differs < 0 ? limit : Math.min(limit, differs);
    }

    private static int unlearned(Sample sample) {
        if (sample.positionIds() != null) {
            return 0;
        }
        int[] labels = sample.labels();
        int first = 0;
        while (first < labels.length - 1 && labels[first] == Sample.IGNORE_INDEX) {
            first++;
        }
        return first;
    }
}
