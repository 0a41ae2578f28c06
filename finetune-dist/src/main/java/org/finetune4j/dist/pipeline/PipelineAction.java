package org.finetune4j.dist.pipeline;

/**
 * One thing that a rank of a pipeline does.
 *
 * @param kind forwards or backwards
 * @param microBatch number of the batch within the step, from 0
 * @param chunk which of the rank's stages, from 0, in the order of their layers
 */
public record PipelineAction(Kind kind, int microBatch, int chunk) {

    /** Which way a batch goes. */
    public enum Kind {
        /** From the tokens to the loss. */
        FORWARD,
        /** From the loss to the tokens. */
        BACKWARD
    }

    /** {@return whether the batch goes forwards} */
    public boolean isForward() {
        return kind == Kind.FORWARD;
    }
}
