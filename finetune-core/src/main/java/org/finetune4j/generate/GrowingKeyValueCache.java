package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.nn.KeyValueCache;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/** A cache with room for all tokens of one generation, taken from the start: appending copies the new tokens only. */
final class GrowingKeyValueCache implements KeyValueCache, AutoCloseable {

    private final int capacity;
    private final List<KeyValues> layers = new ArrayList<>();
    private int length;

    /** @param capacity the largest number of tokens a row will have */
    GrowingKeyValueCache(int capacity) {
        this.capacity = capacity;
    }

    @Override
    public int length() {
        return length;
    }

    @Override
    public KeyValues append(int layer, Tensor keys, Tensor values) {
        if (layer == layers.size()) {
            layers.add(new KeyValues(room(keys), room(values)));
        }
        KeyValues room = layers.get(layer);
        long added = keys.size(1);
        room.keys().narrow(1, length, added).copyInPlace(keys);
        room.values().narrow(1, length, added).copyInPlace(values);
        return new KeyValues(
                room.keys().narrow(1, 0, length + added), // [batch, seq, kvHeads, headDim]
                room.values().narrow(1, 0, length + added));
    }

    @Override
    public void advance(int tokens) {
        length += tokens;
    }

    private Tensor room(Tensor like) {
        long[] shape = like.shape();
        shape[1] = capacity;
        return Tensors.zeros(like.dtype(), like.device(), shape).unscoped();
    }

    @Override
    public void close() {
        layers.forEach(layer -> {
            layer.keys().close();
            layer.values().close();
        });
        layers.clear();
    }
}
