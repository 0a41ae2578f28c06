package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** The attention block of a layer: projections, attention between the tokens, output projection. */
public abstract class SelfAttention extends Module {

    /**
     * [batch, seq, hidden] to [batch, seq, hidden].
     *
     * @param x [batch, seq, hidden]
     * @param context what the layers know about the batch
     * @return [batch, seq, hidden]
     */
    public abstract Tensor forward(Tensor x, SequenceContext context);

    /** {@return how its tokens attend to each other} */
    public abstract Attention attention();

    /**
     * {@return what the block consists of, where that is all that it does; else null}
     */
    public @Nullable AttentionProjections projections() {
        return null;
    }
}
