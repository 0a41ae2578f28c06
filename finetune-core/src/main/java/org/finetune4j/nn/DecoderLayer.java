package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;

/** One of the equal blocks that a decoder is a stack of, and one segment of back-propagation. */
public abstract class DecoderLayer extends Module {

    /** [batch, seq, hidden] to [batch, seq, hidden]. */
    public abstract Tensor forward(Tensor hiddenStates, SequenceContext context);
}
