package org.finetune4j.nn;

import java.util.List;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * What the layers of one {@link AttentionKind} see of a batch.
 *
 * @param rotation the rotary embedding of the positions, or null in a model without one
 * @param mask boolean, broadcastable to [batch, heads, seq, keys], true where attention may look; or null when {@code
 *     causal} says it all
 * @param causal without a mask, whether a token sees itself and what comes before it (true) or everything (false)
 * @param runs what the rows consist of, in place of a mask, where that saves looking at what is not seen; or null
 */
public record AttentionView(
        @Nullable Rotation rotation,
        @Nullable Tensor mask,
        boolean causal,
        @Nullable List<SequenceRun> runs) {

    /**
     * A view by a mask.
     *
     * @param rotation the rotary embedding of the positions, or null in a model without one
     * @param mask true where attention may look, or null
     * @param causal without a mask, whether a token sees itself and what comes before it or everything
     */
    public AttentionView(@Nullable Rotation rotation, @Nullable Tensor mask, boolean causal) {
        this(rotation, mask, causal, null);
    }
}
