package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;

/**
 * The keys and values of the second of two passes over the same tokens, kept in the same cache as those of the first: its layers
 * come after them, as if the model had twice as many.
 *
 * @param cache where the first pass has its layers under their own numbers
 * @param layers how many there are
 */
public record SecondPassCache(KeyValueCache cache, int layers) implements KeyValueCache {

    @Override
    public int length() {
        return cache.length();
    }

    @Override
    public boolean isTrainable() {
        return cache.isTrainable();
    }

    @Override
    public boolean isForDecoding() {
        return cache.isForDecoding();
    }

    @Override
    public Tensor attend(
            int layer, Tensor query, Tensor keys, Tensor values, Attention attention, SequenceContext context) {
        return cache.attend(layers + layer, query, keys, values, attention, context);
    }

    @Override
    public Tensor rotateAndAttend(
            int layer, Tensor query, Tensor keys, Tensor values, Attention attention, SequenceContext context) {
        return cache.rotateAndAttend(layers + layer, query, keys, values, attention, context);
    }
}
