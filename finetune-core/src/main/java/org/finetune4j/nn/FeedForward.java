package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;

/** The block of a layer that works on every token by itself. */
public abstract class FeedForward extends Module {

    /**
     * [batch, seq, hidden] to [batch, seq, hidden].
     *
     * @param x [batch, seq, hidden]
     * @param context what the layers know about the batch
     * @return [batch, seq, hidden]
     */
    public abstract Tensor forward(Tensor x, SequenceContext context);
}
