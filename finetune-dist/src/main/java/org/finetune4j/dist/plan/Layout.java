package org.finetune4j.dist.plan;

import java.util.Locale;

/**
 * One way to spread a training over devices.
 *
 * @param dataParallel how many copies of the model read different samples
 * @param tensorParallel over how many devices each matrix is split
 * @param pipelineParallel over how many stages the layers are split
 * @param expertParallel over how many of the copies whole experts of a mixture are split
 * @param zeroStage what the copies share among them: 0 nothing, 1 optimizer states, 2 gradients too, 3 parameters too
 * @param microBatch samples that a copy reads at once
 * @param accumulation how often it does before an update
 * @param checkpointing whether a layer keeps only its input and runs again for its gradients
 * @param sequenceParallel whether devices that split matrices have some of the tokens each between the blocks
 */
public record Layout(
        int dataParallel,
        int tensorParallel,
        int pipelineParallel,
        int expertParallel,
        int zeroStage,
        int microBatch,
        int accumulation,
        boolean checkpointing,
        boolean sequenceParallel) {

    /** The last of the stages. */
    public static final int LAST_STAGE = 3;

    /**
     * Checks that all sizes are at least 1, experts are split over copies, and the stage is one of the four.
     *
     * @param dataParallel how many copies of the model read different samples
     * @param tensorParallel over how many devices each matrix is split
     * @param pipelineParallel over how many stages the layers are split
     * @param expertParallel over how many of the copies whole experts of a mixture are split
     * @param zeroStage what the copies share among them
     * @param microBatch samples that a copy reads at once
     * @param accumulation how often it does before an update
     * @param checkpointing whether a layer keeps only its input and runs again for its gradients
     * @param sequenceParallel whether devices that split matrices have some of the tokens each between the blocks
     * @throws IllegalArgumentException when a size is below 1 or there is no such stage
     */
    public Layout {
        if (Math.min(
                                Math.min(dataParallel, tensorParallel),
                                Math.min(pipelineParallel, Math.min(microBatch, accumulation)))
                        < 1
                || expertParallel < 1
                || dataParallel % expertParallel != 0
                || zeroStage < 0
                || zeroStage > LAST_STAGE) {
            throw new IllegalArgumentException("sizes from 1 and a stage of 0 to 3 were expected");
        }
    }

    /** {@return over how many devices the tokens between the blocks are split} */
    int tokenShares() {
        return sequenceParallel ? tensorParallel : 1;
    }

    /**
     * {@return the part of every device in an expert's weights, or what is shared of them from a stage on}
     *
     * @param stage that shares it
     */
    double expertShare(int stage) {
        return zeroStage >= stage ? share(stage) : 1.0 / expertParallel;
    }

    /** {@return the sizes as {@code --mesh} takes them} */
    public String mesh() {
        return "dp=" + dataParallel + ",tp=" + tensorParallel + ",pp=" + pipelineParallel
                + (expertParallel == 1 ? "" : ",ep=" + expertParallel);
    }

    /** {@return how many devices it takes} */
    public int devices() {
        return dataParallel * tensorParallel * pipelineParallel;
    }

    /** {@return samples of an update, over all devices} */
    public int samples() {
        return dataParallel * microBatch * accumulation;
    }

    /**
     * {@return the part of every device in what is shared from a stage on}
     *
     * @param stage that shares it
     */
    double share(int stage) {
        return zeroStage >= stage ? 1.0 / dataParallel : 1;
    }

    /** {@return share of a step in which a device of a pipeline has nothing to do: (p - 1) / (m + p - 1)} */
    public double bubble() {
        return (pipelineParallel - 1.0) / (accumulation + pipelineParallel - 1.0);
    }

    /** {@return the sizes in one short line} */
    public String describe() {
        return String.format(
                Locale.ROOT,
                "%s, ZeRO %d, micro-batch %d x %d%s%s",
                mesh(),
                zeroStage,
                microBatch,
                accumulation,
                checkpointing ? ", checkpointing" : "",
                sequenceParallel ? ", sequence parallel" : "");
    }
}
