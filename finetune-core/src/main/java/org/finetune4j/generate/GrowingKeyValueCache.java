package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.SequenceCache;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** A cache with room to spare: appending copies the new tokens into their place, what is there already stays where it is. */
final class GrowingKeyValueCache implements SequenceCache, AutoCloseable {

    private final List<KeyValues> layers = new ArrayList<>();
    private final int firstCapacity;
    private int length;

    /** @param firstCapacity the number of tokens to have room for; with more the room of every layer doubles */
    GrowingKeyValueCache(int firstCapacity) {
        this.firstCapacity = Math.max(1, firstCapacity);
    }

    @Override
    public int length() {
        return length;
    }

    @Override
    public Tensor attend(
            int layer, Tensor query, Tensor keys, Tensor values, Attention attention, SequenceContext context) {
        append(layer, keys, values);
        KeyValues room = layers.get(layer);
        long all = length + keys.size(1);
        return attention.over(
                query,
                room.keys().narrow(1, 0, all), // [batch, all, kvHeads, headDim]
                room.values().narrow(1, 0, all),
                context);
    }

    @Override
    public void append(int layer, Tensor keys, Tensor values) {
        long added = keys.size(1);
        if (layer == layers.size()) {
            long capacity = Math.max(firstCapacity, length + added);
            layers.add(new KeyValues(room(keys, capacity), room(values, capacity)));
        }
        KeyValues room = layers.get(layer);
        if (length + added > room.keys().size(1)) {
            long capacity = Math.max(2 * room.keys().size(1), length + added);
            room = new KeyValues(grown(room.keys(), capacity), grown(room.values(), capacity));
            layers.set(layer, room);
        }
        room.keys().narrow(1, length, added).copyInPlace(keys);
        room.values().narrow(1, length, added).copyInPlace(values);
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
        Tensor larger = room(rows, room.size(1));
        larger.narrow(1, 0, length).copyInPlace(rows);
        room.close();
        return larger;
    }

    private Tensor grown(Tensor room, long capacity) {
        Tensor larger = room(room, capacity);
        larger.narrow(1, 0, length).copyInPlace(room.narrow(1, 0, length));
        room.close();
        return larger;
    }

    /** What the keys and values of all layers take, room to spare included, in bytes. */
    long bytes() {
        return layers.stream()
                .flatMap(layer -> Stream.of(layer.keys(), layer.values()))
                .mapToLong(room -> room.numel() * room.dtype().itemSize())
                .sum();
    }

    private static Tensor room(Tensor like, long capacity) {
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
