package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;

/**
 * Keys and values of sequences that grow, so that generation computes new tokens only. {@link #attend} keeps those of the
 * tokens it is given; when all layers have them, {@link #advance} says so.
 */
public interface SequenceCache extends KeyValueCache {

    /**
     * Adds keys and values that nobody asks anything with: those of a prefix.
     *
     * @param layer the number of the layer
     * @param keys [batch, seq, kvHeads, headDim]
     * @param values as {@code keys}
     */
    void append(int layer, Tensor keys, Tensor values);

    /**
     * Says that all layers have the new tokens.
     *
     * @param tokens how many each row got
     */
    void advance(int tokens);
}
