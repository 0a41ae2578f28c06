package org.finetune4j.dist.pipeline;

/**
 * The sizes of one step of a pipeline. Stage number s of all lies on rank {@code s % ranks}: a rank with several stages has every
 * {@code ranks}th one, its chunks.
 *
 * @param ranks how many ranks share the layers
 * @param chunks how many stages each of them has
 * @param microBatches how many batches go through in a step
 */
public record PipelineShape(int ranks, int chunks, int microBatches) {

    /**
     * Checks the sizes.
     *
     * @param ranks how many ranks share the layers
     * @param chunks how many stages each of them has
     * @param microBatches how many batches go through in a step
     */
    public PipelineShape {
        if (Math.min(ranks, Math.min(chunks, microBatches)) < 1) {
            throw new IllegalArgumentException("sizes start at 1");
        }
    }

    /** {@return how many stages there are on all ranks} */
    public int stages() {
        return ranks * chunks;
    }

    /**
     * The number of a rank's stage among all.
     *
     * @param rank of the pipeline
     * @param chunk of the rank
     * @return from 0, in the order of the layers
     */
    public int stage(int rank, int chunk) {
        return chunk * ranks + rank;
    }

    /** {@return the share of a step in which a rank has nothing to do, when all stages take the same time} */
    public double bubble() {
        return (ranks - 1) / (double) (chunks * microBatches + ranks - 1);
    }
}
