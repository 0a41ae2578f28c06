package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.nn.KeyValueCache;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** A cache with room to spare: appending copies the new tokens into their place, what is there already stays where it is. */
final class GrowingKeyValueCache implements KeyValueCache, AutoCloseable {

    private final List<KeyValues> layers = new ArrayList<>();
    private int capacity;
    private int length;

    /** @param capacity the number of tokens to have room for; with more the room doubles */
    GrowingKeyValueCache(int capacity) {
        this.capacity = Math.max(1, capacity);
    }

    @Override
    public int length() {
        return length;
    }

    @Override
    public KeyValues append(int layer, Tensor keys, Tensor values) {
        long added = keys.size(1);
        if (layer == layers.size()) {
            layers.add(new KeyValues(room(keys), room(values)));
        }
        KeyValues room = layers.get(layer);
        if (length + added > room.keys().size(1)) {
            capacity = (int) Math.max(2L * capacity, length + added);
            room = new KeyValues(grown(room.keys()), grown(room.values()));
            layers.set(layer, room);
        }
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

    /** Forgets all tokens after the first {@code tokens}. */
    void truncate(int tokens) {
        length = Math.min(length, tokens);
    }

    /** Puts the rows at {@code rows} in the place of all rows; one row may be taken several times. */
    void selectRows(int[] rows) {
        try (TensorScope scope = TensorScope.open()) {
            for (int i = 0; i < layers.size(); i++) {
                KeyValues layer = layers.get(i);
                Tensor index = Tensors.of(rows, rows.length).to(layer.keys().device());
                layers.set(i, new KeyValues(selected(layer.keys(), index), selected(layer.values(), index)));
            }
        }
    }

    private Tensor selected(Tensor room, Tensor index) {
        Tensor rows = room.narrow(1, 0, length).indexSelect(0, index); // [rows, length, kvHeads, headDim]
        if (rows.size(0) == room.size(0)) {
            room.narrow(1, 0, length).copyInPlace(rows);
            return room;
        }
        Tensor larger = room(rows);
        larger.narrow(1, 0, length).copyInPlace(rows);
        room.close();
        return larger;
    }

    private Tensor grown(Tensor room) {
        Tensor larger = room(room);
        larger.narrow(1, 0, length).copyInPlace(room.narrow(1, 0, length));
        room.close();
        return larger;
    }

    private Tensor room(Tensor like) {
        long[] shape = like.shape();
        shape[1] = capacity;
        DType dtype = like.dtype();
        return Tensors.zeros(dtype, like.device(), shape).unscoped();
    }

    @Override
    public void close() {
        layers.forEach(layer -> {
            layer.keys().close();
            layer.values().close();
        });
        layers.clear();
        length = 0;
    }
}
