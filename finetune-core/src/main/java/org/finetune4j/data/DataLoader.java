package org.finetune4j.data;

import java.util.ArrayList;
import java.util.List;

/**
 * Makes the batches of an epoch ahead of the training that uses them: tokenising and padding run on background threads
 * while the model computes, and wait when enough is ready. The order is the sampler's, whatever the timing and the number
 * of threads.
 */
public final class DataLoader {

    /** Background threads, unless told otherwise. */
    public static final int DEFAULT_WORKERS = 1;

    /** Batches that are ready ahead, unless told otherwise: enough to hide a slow one, little memory. */
    public static final int DEFAULT_PREFETCH = 2;

    private final TrainingDataset dataset;
    private final BatchSampler sampler;
    private final Collator collator;
    private final int workers;
    private final int prefetch;

    /**
     * Loads with {@value #DEFAULT_WORKERS} thread that is {@value #DEFAULT_PREFETCH} batches ahead.
     *
     * @param dataset the samples
     * @param sampler decides which samples make which batch
     * @param collator pads them
     */
    public DataLoader(TrainingDataset dataset, BatchSampler sampler, Collator collator) {
        this(dataset, sampler, collator, DEFAULT_WORKERS, DEFAULT_PREFETCH);
    }

    /**
     * Loads with threads of a number of its own.
     *
     * @param dataset the samples
     * @param sampler decides which samples make which batch
     * @param collator pads them
     * @param workers background threads; with 0 each batch is made when it is asked for, by whoever asks
     * @param prefetch batches that each thread makes ahead, at least one
     */
    public DataLoader(TrainingDataset dataset, BatchSampler sampler, Collator collator, int workers, int prefetch) {
        if (workers < 0 || prefetch < 1) {
            throw new IllegalArgumentException(
                    "workers must not be negative and prefetch must be positive, got " + workers + " and " + prefetch);
        }
        this.dataset = dataset;
        this.sampler = sampler;
        this.collator = collator;
        this.workers = workers;
        this.prefetch = prefetch;
    }

    /** {@return the number of batches in every epoch} */
    public int batchesPerEpoch() {
        return sampler.batchesPerEpoch();
    }

    /**
     * All batches of an epoch, from its first.
     *
     * @param epoch number of the epoch, from 0
     * @return the batches, in their order
     */
    public BatchIterator epoch(int epoch) {
        return epoch(epoch, 0);
    }

    /**
     * The batches of an epoch from {@code firstBatch} on: what a run that stopped there has still to do. Close the iterator
     * to stop its threads.
     *
     * @param epoch number of the epoch, from 0
     * @param firstBatch from 0 to {@link #batchesPerEpoch()}; there, the iterator is empty
     * @return the batches, in their order
     */
    public BatchIterator epoch(int epoch, int firstBatch) {
        if (epoch < 0 || firstBatch < 0 || firstBatch > batchesPerEpoch()) {
            throw new IndexOutOfBoundsException(
                    "batch " + firstBatch + " of epoch " + epoch + "; an epoch has " + batchesPerEpoch() + " batches");
        }
        return new BatchIterator(batch -> load(epoch, batch), firstBatch, batchesPerEpoch(), workers, prefetch);
    }

    /**
     * Makes one batch on the calling thread.
     *
     * @param epoch number of the epoch, from 0
     * @param batch index in its epoch, from 0
     * @return the batch
     */
    public Batch load(int epoch, int batch) {
        List<Sample> samples = new ArrayList<>();
        for (int index : sampler.batch(epoch, batch)) {
            samples.add(dataset.get(index));
        }
        return collator.collate(samples);
    }
}
