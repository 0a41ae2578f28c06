package org.finetune4j.data;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Decides which samples make up which batch. The order of an epoch depends only on the seed and the epoch's number, so
 * a place in the data is two numbers, (epoch, batch), and a resumed run goes on exactly where it was. Every sample
 * comes once an epoch (with {@code dropLast}, all but the last few).
 *
 * <p>Thread-safe.
 */
public final class BatchSampler {

    private final int datasetSize;
    private final int batchSize;
    private final long seed;
    private final boolean shuffle;
    private final boolean dropLast;
    private final int @Nullable [] lengths;

    private volatile @Nullable EpochOrder lastOrder;

    /** The permutation of one epoch, kept because batches are asked for in turn. */
    private record EpochOrder(int epoch, int[] indices) {}

    private BatchSampler(
            int datasetSize, int batchSize, long seed, boolean shuffle, boolean dropLast, int @Nullable [] lengths) {
        if (datasetSize < 1 || batchSize < 1) {
            throw new IllegalArgumentException(
                    "datasetSize and batchSize must be positive, got " + datasetSize + " and " + batchSize);
        }
        this.datasetSize = datasetSize;
        this.batchSize = batchSize;
        this.seed = seed;
        this.shuffle = shuffle;
        this.dropLast = dropLast;
        this.lengths = lengths;
    }

    /**
     * Batches for training on a dataset: shuffled, or in the dataset's own order. A dataset that groups its samples by
     * length ({@link LengthGrouped}) gets batches of like lengths.
     *
     * @param dataset what the batches are made of
     * @param batchSize samples in a batch
     * @param seed decides the order, together with the number of the epoch
     * @param shuffle whether every epoch has an order of its own
     * @return the sampler
     */
    public static BatchSampler training(TrainingDataset dataset, int batchSize, long seed, boolean shuffle) {
        if (!shuffle) {
            return sequential(dataset.size(), batchSize);
        }
        return dataset instanceof LengthGrouped grouped
                ? groupedByLength(grouped.lengths(), batchSize, seed)
                : shuffled(dataset.size(), batchSize, seed);
    }

    /**
     * Batches of samples of about the same length, so that little is padding, in a new random order every epoch.
     *
     * @param lengths tokens of each sample
     * @param batchSize samples in a batch
     * @param seed decides the order, together with the number of the epoch
     * @return the sampler
     */
    public static BatchSampler groupedByLength(int[] lengths, int batchSize, long seed) {
        return new BatchSampler(lengths.length, batchSize, seed, true, false, lengths.clone());
    }

    /**
     * Batches in a new random order every epoch, for training. The last batch of an epoch may be smaller.
     *
     * @param datasetSize number of samples
     * @param batchSize samples in a batch
     * @param seed decides the order, together with the number of the epoch
     * @return the sampler
     */
    public static BatchSampler shuffled(int datasetSize, int batchSize, long seed) {
        return new BatchSampler(datasetSize, batchSize, seed, true, false, null);
    }

    /**
     * Batches in the dataset's own order, for evaluation. The last batch may be smaller.
     *
     * @param datasetSize number of samples
     * @param batchSize samples in a batch
     * @return the sampler
     */
    public static BatchSampler sequential(int datasetSize, int batchSize) {
        return new BatchSampler(datasetSize, batchSize, 0, false, false, null);
    }

    /** {@return the same without the last batch of an epoch where that is smaller than the others} */
    public BatchSampler dropLast() {
        return new BatchSampler(datasetSize, batchSize, seed, shuffle, true, lengths);
    }

    /**
     * Samples in a full batch.
     *
     * @return at least 1
     */
    public int batchSize() {
        return batchSize;
    }

    /** {@return the number of batches in every epoch; 0 when {@code dropLast} leaves none} */
    public int batchesPerEpoch() {
        int full = datasetSize / batchSize;
        return dropLast || datasetSize % batchSize == 0 ? full : full + 1;
    }

    /**
     * Indices of the samples in one batch.
     *
     * @param epoch from 0
     * @param batch from 0 to {@link #batchesPerEpoch()} exclusive
     * @return as many as the batch has samples
     */
    public int[] batch(int epoch, int batch) {
        if (epoch < 0 || batch < 0 || batch >= batchesPerEpoch()) {
            throw new IndexOutOfBoundsException(
                    "batch " + batch + " of epoch " + epoch + "; an epoch has " + batchesPerEpoch() + " batches");
        }
        int from = batch * batchSize;
        int to = (int) Math.min((long) from + batchSize, datasetSize);
        return Arrays.copyOfRange(order(epoch), from, to);
    }

    private int[] order(int epoch) {
        EpochOrder order = lastOrder;
        if (order == null || order.epoch() != epoch) {
            order = new EpochOrder(epoch, indices(epoch));
            lastOrder = order;
        }
        return order.indices();
    }

    private int[] indices(int epoch) {
        if (lengths != null) {
            return LengthGroups.order(lengths, batchSize, seed, epoch);
        }
        if (shuffle) {
            return SeededShuffle.permutation(datasetSize, seed, epoch); // an epoch is a stream of the seed
        }
        int[] identity = new int[datasetSize];
        Arrays.setAll(identity, i -> i);
        return identity;
    }
}
