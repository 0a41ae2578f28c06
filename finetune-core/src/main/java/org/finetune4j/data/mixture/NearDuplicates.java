package org.finetune4j.data.mixture;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.format.Example;

/**
 * Finds examples that say nearly the same as an earlier one, as Lee et al. (2022) clean training data: candidates come
 * from {@link MinHash} with locality-sensitive hashing, and are then compared exactly, so that nothing is removed by
 * chance. Instruction and input are compared apart: two inputs of one task are no duplicates because their instruction
 * is long. Takes about 600 bytes of memory an example while it runs.
 */
public final class NearDuplicates {

    /** Share of equal word triples from which two examples count as the same. */
    public static final double DEFAULT_THRESHOLD = 0.8;

    private static final int SHINGLE = 3;

    /** How far an estimate may be below the threshold for an exact comparison. */
    private static final double ESTIMATE_MARGIN = 0.1;

    /** Exact comparisons of one example at most, the likeliest first: each reads a record. */
    private static final int MOST_COMPARISONS = 32;

    /** Examples remembered under one band: where more share it, they are alike in what is common to all of them. */
    private static final int LARGEST_BUCKET = 64;

    private final ExampleDataset dataset;
    private final double threshold;
    private final List<Map<Long, List<Integer>>> seen = new ArrayList<>();

    private NearDuplicates(ExampleDataset dataset, double threshold) {
        this.dataset = dataset;
        this.threshold = threshold;
        for (int band = 0; band < MinHash.BANDS; band++) {
            seen.add(new HashMap<>());
        }
    }

    /**
     * {@return the indices of the examples to keep: of each group of near duplicates the first one}
     *
     * @param dataset examples in the order of their preference
     * @param threshold Jaccard similarity of the sets of word triples, above 0 and up to 1
     * @throws UserErrorException when the threshold is outside
     */
    public static int[] kept(ExampleDataset dataset, double threshold) {
        if (!(threshold > 0 && threshold <= 1)) {
            throw new UserErrorException(
                    "the similarity of duplicates must be above 0 and not above 1, got " + threshold);
        }
        return new NearDuplicates(dataset, threshold).find();
    }

    private int[] find() {
        MinHash[] signatures = IntStream.range(0, dataset.size())
                .parallel()
                .mapToObj(i -> MinHash.of(own(dataset.get(i))))
                .toArray(MinHash[]::new);
        IntStream.Builder kept = IntStream.builder();
        for (int i = 0; i < signatures.length; i++) {
            if (isDuplicate(i, signatures)) {
                continue;
            }
            kept.add(i);
            remember(i, signatures[i]);
        }
        return kept.build().toArray();
    }

    private void remember(int index, MinHash signature) {
        for (int band = 0; band < MinHash.BANDS; band++) {
            List<Integer> bucket = seen.get(band).computeIfAbsent(signature.band(band), hash -> new ArrayList<>(1));
            if (bucket.size() < LARGEST_BUCKET) {
                bucket.add(index);
            }
        }
    }

    private boolean isDuplicate(int index, MinHash[] signatures) {
        MinHash signature = signatures[index];
        List<Integer> candidates = IntStream.range(0, MinHash.BANDS)
                .boxed()
                .flatMap(band -> seen.get(band).getOrDefault(signature.band(band), List.of()).stream())
                .distinct()
                .filter(other -> signature.similarity(signatures[other]) >= threshold - ESTIMATE_MARGIN)
                .sorted(Comparator.comparingDouble(other -> -signature.similarity(signatures[other])))
                .limit(MOST_COMPARISONS)
                .toList();
        if (candidates.isEmpty()) {
            return false;
        }
        Example example = dataset.get(index);
        return candidates.stream().anyMatch(other -> areSimilar(example, dataset.get(other)));
    }

    private boolean areSimilar(Example a, Example b) {
        return similarity(own(a), own(b)) >= threshold
                && similarity(
                                Shingles.of(ExampleText.instructionWords(a), SHINGLE),
                                Shingles.of(ExampleText.instructionWords(b), SHINGLE))
                        >= threshold;
    }

    private static Set<Long> own(Example example) {
        return Shingles.of(ExampleText.ownWords(example), SHINGLE);
    }

    private static double similarity(Set<Long> a, Set<Long> b) {
        Set<Long> smaller = a.size() <= b.size() ? a : b;
        Set<Long> larger = smaller == a ? b : a;
        long both = smaller.stream().filter(larger::contains).count();
        long either = a.size() + b.size() - both;
        return either == 0 ? 1 : (double) both / either;
    }
}
