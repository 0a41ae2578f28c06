package org.finetune4j.nn;

import java.util.List;
import java.util.function.UnaryOperator;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A frozen weight that is stored in fewer bits than any {@link DType} has, and becomes numbers only while it is used.
 * How checkpoints hold it is not its own business. It owns native memory: close it.
 */
public interface CompressedWeight extends AutoCloseable {

    /** Products of at most so many rows go straight from the compressed form, without a decompressed copy. */
    int FEW_ROWS = 2;

    /** {@return the shape of the weight that it stands for} */
    long[] shape();

    /** {@return the type that the weight had before it was compressed} */
    DType dtype();

    /** {@return all memory that it takes, scales included, in bytes} */
    long bytes();

    /**
     * {@return the decompressed weight in {@code dtype}; it belongs to the scope}
     *
     * @param dtype the type wanted
     */
    Tensor decompress(DType dtype);

    /**
     * Decompresses into memory that is there already.
     *
     * @param destination contiguous, of this weight's shape and a floating-point type
     */
    void decompressInto(Tensor destination);

    /**
     * {@code x W^T} without a decompressed copy of W.
     *
     * @param rows [rows, in], float32
     * @return [rows, out], float32
     */
    Tensor multiply(Tensor rows);

    /** {@return where it lives} */
    Device device();

    /**
     * What it is stored in, for ranks that keep a part of it each.
     *
     * @return contiguous tensors, which belong to this weight; none where it cannot be put together again
     */
    default List<Tensor> storage() {
        return List.of();
    }

    /**
     * The same weight in another memory.
     *
     * @param storage what {@link #storage} gave, copied; taken over
     * @return the weight
     */
    default CompressedWeight over(List<Tensor> storage) {
        throw new UnsupportedOperationException(this + " has no storage");
    }

    /** {@return what this process has of it in memory of its own; the tensors belong to this weight} */
    default List<Tensor> memory() {
        return storage();
    }

    /**
     * The same weight with {@link #memory} elsewhere.
     *
     * @param copy gives each tensor's values in other memory
     * @return the weight in the place of this one, which is closed; this one where it has no memory of its own
     */
    default CompressedWeight movedTo(UnaryOperator<Tensor> copy) {
        List<Tensor> stored = storage();
        if (stored.isEmpty()) {
            return this;
        }
        CompressedWeight moved = over(stored.stream().map(copy).toList());
        close();
        return moved;
    }

    /**
     * Compresses another weight in the same way.
     *
     * @param weight of this one's shape, in any floating-point type
     * @return the new compressed weight
     * @throws org.finetune4j.UserErrorException when it holds NaN or infinity
     */
    CompressedWeight recompress(Tensor weight);

    /**
     * A part of this weight in the same numbers.
     *
     * @param part which one
     * @return a weight of its own, or null where the part is not compressed apart from the rest
     */
    default @Nullable CompressedWeight slice(ParameterSlice part) {
        return null;
    }

    @Override
    void close();
}
