package org.finetune4j.dist.plan;

import org.finetune4j.train.memory.MemoryPlan;

/**
 * A layout with what it takes.
 *
 * @param layout how the training is spread
 * @param memory of the device that needs most
 * @param step what a step sends, and how long it takes
 * @param inFiles bytes of a device's files, where states or weights are offloaded
 */
public record Proposal(Layout layout, MemoryPlan memory, StepEstimate step, long inFiles) {

    static Proposal of(TrainingShape shape, Layout layout, Cluster cluster) {
        return new Proposal(
                layout,
                ShardedMemory.of(shape, layout),
                StepEstimate.of(shape, layout, cluster),
                ShardedMemory.inFiles(shape, layout));
    }

    /**
     * {@return whether a device has room for it}
     *
     * @param bytes of a device
     */
    public boolean fits(long bytes) {
        return memory.peak() <= bytes;
    }
}
