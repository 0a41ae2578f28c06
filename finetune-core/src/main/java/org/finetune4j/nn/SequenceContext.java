package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * What all layers of a model need to know about the sequences they are working on, made once per batch.
 *
 * @param positionIds [batch or 1, seq] int64
 * @param rotation the rotary embedding of these positions, or null in a model without one
 * @param mask boolean [batch or 1, 1, seq, keys], true where attention may look, or null when being causal says it all
 * @param cache keys and values of earlier tokens, or null
 * @param virtualEmbeddings [length, hidden], vectors to put before the token embeddings of every row, or null; they are
 *     counted in the other components already
 */
public record SequenceContext(
        Tensor positionIds,
        @Nullable Rotation rotation,
        @Nullable Tensor mask,
        @Nullable KeyValueCache cache,
        @Nullable Tensor virtualEmbeddings) {

    /** A context without virtual embeddings. */
    public SequenceContext(
            Tensor positionIds, @Nullable Rotation rotation, @Nullable Tensor mask, @Nullable KeyValueCache cache) {
        this(positionIds, rotation, mask, cache, null);
    }
}
