package org.finetune4j.data;

import java.util.Arrays;
import java.util.Comparator;

/**
 * An order of samples in which neighbours have about the same length, but which is random all the same, as transformers'
 * {@code group_by_length}: a random order is cut into pieces of {@value #BATCHES_PER_PIECE} batches, each piece is
 * sorted by length, and then whole batches change places.
 */
final class LengthGroups {

    private static final int BATCHES_PER_PIECE = 50;

    // Added to the epoch for the order of batches: unrelated to the order of samples.
    private static final long BATCH_STREAMS = 1L << 32;

    private LengthGroups() {}

    static int[] order(int[] lengths, int batchSize, long seed, int epoch) {
        int[] shuffled = SeededShuffle.permutation(lengths.length, seed, epoch);
        int piece = (int) Math.min(Integer.MAX_VALUE, (long) BATCHES_PER_PIECE * batchSize);
        int[] sorted = new int[lengths.length];
        for (int from = 0; from < sorted.length; from += piece) {
            int to = (int) Math.min(sorted.length, (long) from + piece);
            int[] part = Arrays.stream(shuffled, from, to)
                    .boxed()
                    .sorted(Comparator.comparingInt(index -> -lengths[index]))
                    .mapToInt(Integer::intValue)
                    .toArray();
            System.arraycopy(part, 0, sorted, from, part.length);
        }
        return shuffleBatches(sorted, batchSize, seed, epoch);
    }

    /** The last batch stays last: it may be smaller. */
    private static int[] shuffleBatches(int[] sorted, int batchSize, long seed, int epoch) {
        int full = sorted.length / batchSize;
        int[] order = SeededShuffle.permutation(full, seed, BATCH_STREAMS + epoch);
        int[] result = sorted.clone();
        for (int batch = 0; batch < full; batch++) {
            System.arraycopy(sorted, order[batch] * batchSize, result, batch * batchSize, batchSize);
        }
        return result;
    }
}
