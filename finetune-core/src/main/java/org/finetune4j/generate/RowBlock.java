package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.finetune4j.nn.KeyValueCache.KeyValues;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * Keys and values of rows that may have equally many tokens. Every row has a slot, and the rows are in the first slots: what
 * one pass reads of all rows lies together, and nothing is copied for it. Room is made as rows and tokens come.
 */
final class RowBlock implements AutoCloseable {

    private static final int TOKENS_TO_SPARE = 64;

    private final int mostTokens;
    private final List<KeyValues> layers = new ArrayList<>(); // [slots, kvHeads, capacity, headDim]
    private final List<DecoderRow> rows = new ArrayList<>(); // by slot
    private int slots;
    private int capacity;

    /** @param mostTokens how many tokens a row has at most, virtual ones among them */
    RowBlock(int mostTokens) {
        this.mostTokens = mostTokens;
    }

    /** How many tokens of room a row gets in the end that grows to {@code tokens}, from one token on. */
    static long room(int tokens) {
        long room = TOKENS_TO_SPARE + 1;
        while (room < tokens) {
            room *= 2;
        }
        return Math.min(room, tokens + (long) TOKENS_TO_SPARE);
    }

    int mostTokens() {
        return mostTokens;
    }

    int capacity() {
        return capacity;
    }

    int slots() {
        return slots;
    }

    List<DecoderRow> rows() {
        return rows;
    }

    /** One layer's keys and values, [slots, kvHeads, capacity, headDim]. */
    KeyValues layer(int layer) {
        return layers.get(layer);
    }

    /** Whether a layer has kept something. */
    boolean has(int layer) {
        return layer < layers.size();
    }

    void add(DecoderRow row) {
        row.block = this;
        row.slot = rows.size();
        rows.add(row);
    }

    /** Gives the row's slot to the last row. */
    void remove(DecoderRow row) {
        vacate(row, row.slot);
        row.block = null;
        row.readAgain();
    }

    private void vacate(DecoderRow row, int slot) {
        DecoderRow last = rows.remove(rows.size() - 1);
        if (last != row) {
            copy(last.slot, slot, last.keys);
            last.slot = slot;
            rows.set(slot, last);
        }
    }

    /** Takes a row over from another block, with its keys. */
    void adopt(DecoderRow row, RowBlock from) {
        int oldSlot = row.slot;
        add(row);
        require(row.keys);
        for (int i = 0; i < from.layers.size() && row.keys > 0; i++) {
            try (TensorScope scope = TensorScope.open()) {
                KeyValues theirs = from.layers.get(i);
                if (i == layers.size()) {
                    layers.add(new KeyValues(room(theirs.keys()), room(theirs.values())));
                }
                take(layers.get(i).keys(), theirs.keys(), row, oldSlot);
                take(layers.get(i).values(), theirs.values(), row, oldSlot);
            }
        }
        from.vacate(row, oldSlot);
    }

    private static void take(Tensor own, Tensor theirs, DecoderRow row, int oldSlot) {
        own.select(0, row.slot)
                .narrow(1, 0, row.keys)
                .copyInPlace(theirs.select(0, oldSlot).narrow(1, 0, row.keys));
    }

    private Tensor room(Tensor like) {
        return Tensors.zeros(like.dtype(), like.device(), slots, like.size(1), capacity, like.size(3))
                .unscoped();
    }

    /** Copies the first {@code keys} keys and values of one slot to another. */
    void copy(int from, int to, int keys) {
        if (keys > 0) {
            each(tensor -> {
                tensor.select(0, to)
                        .narrow(1, 0, keys)
                        .copyInPlace(tensor.select(0, from).narrow(1, 0, keys));
                return tensor;
            });
        }
    }

    /** Copies some of a row's keys and values, each [1, kvHeads, count, headDim] and the caller's to close. */
    List<KeyValues> copy(DecoderRow row, int from, int count) {
        List<KeyValues> copies = new ArrayList<>();
        for (KeyValues layer : layers) {
            try (TensorScope scope = TensorScope.open()) {
                copies.add(new KeyValues(copy(layer.keys(), row, from, count), copy(layer.values(), row, from, count)));
            }
        }
        return copies;
    }

    private static Tensor copy(Tensor room, DecoderRow row, int from, int count) {
        return room.narrow(0, row.slot, 1).narrow(2, from, count).copy().unscoped();
    }

    /** Gives a row keys and values that were copied from another; there is room for them. */
    void put(DecoderRow row, int from, List<KeyValues> copies) {
        for (int i = 0; i < copies.size(); i++) {
            try (TensorScope scope = TensorScope.open()) {
                KeyValues copy = copies.get(i);
                if (i == layers.size()) {
                    layers.add(new KeyValues(room(copy.keys()), room(copy.values())));
                }
                put(layers.get(i).keys(), row, from, copy.keys());
                put(layers.get(i).values(), row, from, copy.values());
            }
        }
    }

    private static void put(Tensor room, DecoderRow row, int from, Tensor copy) {
        room.narrow(0, row.slot, 1).narrow(2, from, copy.size(2)).copyInPlace(copy);
    }

    /** Clears what a row leaves: the next row in its slot is multiplied with it, by nothing, but NaN times nothing is NaN. */
    void clear(DecoderRow row) {
        if (row.slot < slots) {
            each(tensor -> {
                tensor.select(0, row.slot).zeroInPlace();
                return tensor;
            });
        }
    }

    /** Makes room for {@code tokens} keys of every row. */
    void require(int tokens) {
        int wanted =
                tokens <= capacity ? capacity : Math.min(mostTokens, Math.max(tokens + TOKENS_TO_SPARE, 2 * capacity));
        if (wanted > capacity || rows.size() > slots) {
            resize(Math.max(rows.size(), slots), wanted);
        }
    }

    /** Gives room back that no row has. */
    void trim() {
        if (rows.isEmpty()) {
            close();
        } else if (rows.size() < slots) {
            resize(rows.size(), capacity);
        }
    }

    private void resize(int newSlots, int newCapacity) {
        int keptSlots = Math.min(slots, newSlots);
        int kept = keptSlots == 0
                ? 0
                : rows.stream().limit(keptSlots).mapToInt(row -> row.keys).max().orElse(0);
        each(tensor -> {
            long[] shape = tensor.shape();
            shape[0] = newSlots;
            shape[2] = newCapacity;
            // Zeros: what attention multiplies by nothing must be a number all the same.
            Tensor larger =
                    Tensors.zeros(tensor.dtype(), tensor.device(), shape).unscoped();
            if (kept > 0) {
                larger.narrow(0, 0, keptSlots)
                        .narrow(2, 0, kept)
                        .copyInPlace(tensor.narrow(0, 0, keptSlots).narrow(2, 0, kept));
            }
            tensor.close();
            return larger;
        });
        slots = newSlots;
        capacity = newCapacity;
    }

    /** Puts the rows' keys in another order; a row may be taken several times, or not at all. */
    void select(Tensor order, List<DecoderRow> newRows) {
        int kept = rows.stream().mapToInt(row -> row.keys).max().orElse(0);
        each(tensor -> {
            Tensor taken = tensor.narrow(2, 0, kept).indexSelect(0, order); // [new rows, kvHeads, kept, headDim]
            Tensor room = tensor;
            if (taken.size(0) > slots) {
                long[] shape = tensor.shape();
                shape[0] = taken.size(0);
                room = Tensors.zeros(tensor.dtype(), tensor.device(), shape).unscoped();
                tensor.close();
            }
            room.narrow(0, 0, taken.size(0)).narrow(2, 0, kept).copyInPlace(taken);
            return room;
        });
        slots = Math.max(slots, newRows.size());
        rows.clear();
        newRows.forEach(this::add);
    }

    /**
     * Keeps one layer's keys and values of some tokens.
     *
     * @param index of each token and head among the block's, [tokens * kvHeads] int64
     * @param keys [tokens * kvHeads, headDim]
     * @param values as {@code keys}
     * @param kvHeads how many heads they have
     */
    void put(int layer, Tensor index, Tensor keys, Tensor values, long kvHeads) {
        if (layer == layers.size()) {
            long[] shape = {1, kvHeads, 1, keys.size(1)};
            layers.add(new KeyValues(
                    room(keys.narrow(0, 0, kvHeads).view(shape)),
                    room(values.narrow(0, 0, kvHeads).view(shape))));
        }
        KeyValues room = layers.get(layer);
        room.keys().view(-1, keys.size(1)).indexCopyInPlace(0, index, keys);
        room.values().view(-1, values.size(1)).indexCopyInPlace(0, index, values);
    }

    private void each(UnaryOperator<Tensor> change) {
        for (int i = 0; i < layers.size(); i++) {
            try (TensorScope scope = TensorScope.open()) {
                KeyValues layer = layers.get(i);
                Tensor keys = change.apply(layer.keys());
                layers.set(i, new KeyValues(keys, layer.values()));
                layers.set(i, new KeyValues(keys, change.apply(layer.values())));
            }
        }
    }

    /** What the keys and values take, room to spare included, in bytes. */
    long bytes() {
        return layers.stream()
                .flatMap(layer -> Stream.of(layer.keys(), layer.values()))
                .mapToLong(room -> room.numel() * room.dtype().itemSize())
                .sum();
    }

    @Override
    public void close() {
        layers.forEach(layer -> {
            layer.keys().close();
            layer.values().close();
        });
        layers.clear();
        slots = 0;
        capacity = 0;
    }
}
