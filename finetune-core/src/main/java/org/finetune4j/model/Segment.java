package org.finetune4j.model;

import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Tensor;

/**
 * A part of a model that runs forwards and backwards by itself: the embedding, a layer, some layers together, the head with
 * its loss, a chain of these. Nothing of a batch stays in it: several batches may be between their forward and their backward
 * run at once.
 */
public interface Segment {

    /** What a run is to have gradients for. */
    enum Gradients {
        /** Nothing: the run is not recorded. */
        NONE,
        /** Nothing yet: the run is not recorded, and comes again to be recorded. */
        LATER,
        /** What trains in the segment; nothing before it does. */
        OF_PARAMETERS,
        /** What trains in the segment, and its input. */
        OF_INPUT;

        /** {@return whether there will be a backward run} */
        public boolean wanted() {
            return this == OF_PARAMETERS || this == OF_INPUT;
        }
    }

    /**
     * Whether a backward run adds gradients to anything: a parameter of the segment, or something of the batch that it reads.
     *
     * @param context of the batch
     * @return whether something trains
     */
    boolean trains(SequenceContext context);

    /**
     * Runs forwards. What was made on the way is freed, unless the run is recorded and needs it to go back.
     *
     * @param input [batch, seq, hidden], or the token ids [batch, seq]; a recorded run takes it over, which closes it with what
     *     it gave, else it stays the caller's
     * @param context what the layers know about the batch; whoever made it keeps it until the run has gone back
     * @param gradients what the backward run will be asked for
     * @return the output, with what it takes to go back
     */
    SegmentOutput forward(Tensor input, SequenceContext context, Gradients gradients);
}
