package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;

/** Keys and values of the tokens that a model has already seen, so that generation computes new tokens only. */
public interface KeyValueCache {

    /** Keys and values of all tokens so far, each [batch, seq, kvHeads, headDim]. */
    record KeyValues(Tensor keys, Tensor values) {}

    /** How many tokens have been seen. */
    int length();

    /**
     * Appends the new tokens' keys and values to those of one layer.
     *
     * @param keys [batch, newTokens, kvHeads, headDim], after the rotary embedding
     * @return what attention reads: old and new
     */
    KeyValues append(int layer, Tensor keys, Tensor values);

    /** Says that all layers have appended this many tokens. */
    void advance(int tokens);
}
