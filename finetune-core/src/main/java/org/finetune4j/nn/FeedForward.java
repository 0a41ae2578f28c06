package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

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

    /**
     * {@return what the block consists of, where that is all that it does; else null}
     */
    public @Nullable FeedForwardProjections projections() {
        return null;
    }
}
