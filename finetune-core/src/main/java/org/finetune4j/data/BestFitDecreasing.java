package org.finetune4j.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * Packs things of given lengths into as few bins of one capacity as it can: the longest first, each into the bin that it
 * fills best (Johnson, 1973: never more than 11/9 of the fewest). The result depends on the lengths alone.
 */
final class BestFitDecreasing {

    private BestFitDecreasing() {}

    /**
     * The indices in each bin, ascending; bins in the order of their first one.
     *
     * @param lengths each from 1 to {@code capacity}
     */
    static List<int[]> pack(int[] lengths, int capacity) {
        int[] longestFirst = IntStream.range(0, lengths.length)
                .boxed()
                .sorted(Comparator.comparingInt(index -> -lengths[index]))
                .mapToInt(Integer::intValue)
                .toArray();
        List<List<Integer>> bins = new ArrayList<>();
        TreeMap<Integer, List<Integer>> binsByRoom = new TreeMap<>();
        for (int index : longestFirst) {
            int length = lengths[index];
            if (length < 1 || length > capacity) {
                throw new IllegalArgumentException("length " + length + " does not fit into " + capacity);
            }
            Integer room = binsByRoom.ceilingKey(length);
            int bin = room == null ? bins.size() : takeLast(binsByRoom, room);
            if (room == null) {
                bins.add(new ArrayList<>());
            }
            bins.get(bin).add(index);
            int left = (room == null ? capacity : room) - length;
            if (left > 0) {
                binsByRoom.computeIfAbsent(left, key -> new ArrayList<>()).add(bin);
            }
        }
        return bins.stream()
                .map(bin -> bin.stream().mapToInt(Integer::intValue).sorted().toArray())
                .sorted(Comparator.comparingInt(
                        bin -> Arrays.stream(bin).findFirst().orElse(0)))
                .toList();
    }

    private static int takeLast(Map<Integer, List<Integer>> binsByRoom, int room) {
        List<Integer> bins = Objects.requireNonNull(binsByRoom.get(room));
        int bin = bins.remove(bins.size() - 1);
        if (bins.isEmpty()) {
            binsByRoom.remove(room);
        }
        return bin;
    }
}
