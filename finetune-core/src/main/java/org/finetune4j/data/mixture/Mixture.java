package org.finetune4j.data.mixture;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.SeededShuffle;
import org.finetune4j.data.examples.ConcatenatedExamples;
import org.finetune4j.data.examples.ExampleDataset;
import org.jspecify.annotations.Nullable;

/**
 * Datasets with their shares. Without weights and temperature every example comes once. With either, an epoch is as long
 * as all examples together, and each dataset fills its share: examples are left out where it has more, and repeated where
 * it has fewer, whole rounds first and the rest chosen by the seed.
 *
 * <p>The temperature T draws the shares together (Raffel et al., 2020): a dataset of n examples has the share
 * {@code n^(1/T)}, so that 1 is proportional and large values are equal shares.
 */
public final class Mixture {

    /**
     * A dataset and its share.
     *
     * @param examples the examples, capped already
     * @param weight relative to others, or null to go by the size
     */
    public record Part(ExampleDataset examples, @Nullable Double weight) {}

    private Mixture() {}

    /**
     * Mixes datasets.
     *
     * @param parts datasets with their shares
     * @param temperature 1 for shares in proportion to sizes
     * @param seed decides which examples are drawn
     * @return the examples in a random order
     * @throws UserErrorException when some have a weight and others none, or the temperature is below 1
     */
    public static ExampleDataset of(List<Part> parts, double temperature, long seed) {
        if (!(temperature >= 1 && Double.isFinite(temperature))) {
            throw new UserErrorException("mixture_temperature is " + temperature + ", expected a number of at least 1");
        }
        long weighted = parts.stream().filter(part -> part.weight() != null).count();
        if (weighted > 0 && weighted < parts.size()) {
            throw new UserErrorException("some datasets have a 'weight' and others none: give all of them one");
        }
        if (weighted > 0 && temperature > 1) {
            throw new UserErrorException("mixture_temperature and 'weight' exclude each other: a weight is the share");
        }
        ExampleDataset all =
                ConcatenatedExamples.of(parts.stream().map(Part::examples).toList());
        if (parts.size() == 1 || (weighted == 0 && temperature == 1)) {
            return all;
        }
        double[] shares = parts.stream()
                .mapToDouble(part -> part.weight() != null
                        ? part.weight()
                        : Math.pow(part.examples().size(), 1 / temperature))
                .toArray();
        return all.select(indices(parts, counts(shares, all.size()), seed));
    }

    /** Examples of each share of {@code total}: at least one, and together {@code total} where there is room for all. */
    static int[] counts(double[] shares, int total) {
        double sum = 0;
        for (double share : shares) {
            sum += share;
        }
        int[] counts = new int[shares.length];
        double passed = 0;
        int given = 0;
        for (int i = 0; i < shares.length; i++) {
            passed += shares[i];
            int upTo = (int) Math.round(passed / sum * total);
            counts[i] = Math.max(1, upTo - given);
            given = Math.max(given, upTo);
        }
        return counts;
    }

    private static int[] indices(List<Part> parts, int[] counts, long seed) {
        IntStream.Builder indices = IntStream.builder();
        int start = 0;
        for (int part = 0; part < counts.length; part++) {
            int size = parts.get(part).examples().size();
            int first = start;
            int rounds = counts[part] / size;
            for (int round = 0; round < rounds; round++) {
                IntStream.range(first, first + size).forEach(indices::add);
            }
            int[] order = SeededShuffle.permutation(size, seed, part);
            IntStream.range(0, counts[part] % size)
                    .map(i -> first + order[i])
                    .sorted()
                    .forEach(indices::add);
            start += size;
        }
        return indices.build().toArray();
    }

    /**
     * At most so many examples of a dataset, and of each of its tasks, chosen by the seed; they keep their order.
     *
     * @param dataset the examples to choose from
     * @param maxSamples 0 for all
     * @param maxSamplesPerTask 0 for all
     * @param seed decides which ones stay
     * @return the examples that stay
     */
    public static ExampleDataset cap(ExampleDataset dataset, int maxSamples, int maxSamplesPerTask, long seed) {
        if (maxSamples <= 0 && maxSamplesPerTask <= 0) {
            return dataset;
        }
        int most = maxSamples <= 0 ? dataset.size() : maxSamples;
        Map<String, Integer> taken = new HashMap<>();
        List<Integer> chosen = new ArrayList<>();
        for (int index : SeededShuffle.permutation(dataset.size(), seed, 0)) {
            if (chosen.size() == most) {
                break;
            }
            if (maxSamplesPerTask <= 0 || taken.merge(dataset.task(index), 1, Integer::sum) <= maxSamplesPerTask) {
                chosen.add(index);
            }
        }
        return dataset.select(
                chosen.stream().mapToInt(Integer::intValue).sorted().toArray());
    }
}
