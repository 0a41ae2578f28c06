package org.finetune4j.nn;

import java.util.List;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The values of a parameter in the form in which this process stores them: as a tensor ({@link DenseValue}), in fewer bits
 * than a tensor can have ({@link CompressedValue}), or only a part of them, the rest being with other processes ({@link
 * ShardedValue}). Whoever works with a {@link Parameter} need not know which one it is. It owns native memory.
 */
public interface ParameterValue extends AutoCloseable {

    /** {@return the length of every dimension of the whole, wherever its parts are} */
    long[] shape();

    /** {@return the type that the numbers are stored in, or had before they were compressed} */
    DType dtype();

    /** {@return the memory that this process holds of them, in bytes} */
    long bytes();

    /** {@return where they live} */
    Device device();

    /**
     * The whole as a tensor in its storage dtype, without making one.
     *
     * @return the tensor, which belongs to this value
     * @throws IllegalStateException when there is none
     */
    Tensor tensor();

    /**
     * The whole in {@code dtype}, for reading: the tensor itself where it has that type, else one of its own.
     *
     * @param dtype the type wanted
     * @return the tensor, which belongs to the scope unless it is the stored one
     */
    Tensor as(DType dtype);

    /**
     * Writes the whole into memory that is there already.
     *
     * @param destination contiguous, of the whole's shape and a floating-point type
     */
    void into(Tensor destination);

    /**
     * What this process holds of the values and where it belongs in the whole.
     *
     * @return all of them unless they are sharded
     */
    default ParameterPart part() {
        return ParameterPart.whole(as(dtype()).detach());
    }

    /**
     * The tensor that an optimizer of this process updates: the whole, or this process's part of it.
     *
     * @return the tensor, which belongs to this value
     * @throws IllegalStateException when the values cannot be updated
     */
    Tensor local();

    /**
     * What this process has of the values in memory of its own, for those that page it.
     *
     * @return tensors that belong to this value; none where they are not its own
     */
    default List<Tensor> memory() {
        return List.of();
    }

    /**
     * Puts {@link #memory} elsewhere, before there is a gradient.
     *
     * @param copy gives each tensor's values in other memory, which this value takes over
     */
    default void moveTo(UnaryOperator<Tensor> copy) {}

    /** {@return whether training changes the values} */
    boolean isTrainable();

    /**
     * Lets training change the values: from then on they are a memory of their own, stored in {@code updateDType}.
     *
     * @param name of the parameter, for the message
     * @param updateDType the type that is updated
     * @throws org.finetune4j.UserErrorException when values in this form cannot train
     */
    void train(String name, DType updateDType);

    /** Ends training; the values stay. */
    void freeze();

    /** {@return what the backward passes added up, of the shape of {@link #local()}, or null} */
    @Nullable
    Tensor grad();

    /** Drops the gradient and its memory. */
    void clearGrad();

    /**
     * Takes over other numbers in the same form.
     *
     * @param whole of the whole's shape, in any type; copied
     */
    void set(Tensor whole);

    /**
     * The same form with changed numbers. Where only a calculation from them would keep the form, the result calculates it
     * whenever it is asked, and this value must stay as long as it.
     *
     * @param change is given the whole in a type of at least float32, which it may overwrite
     * @param narrow brings what is stored at once into the type that it is stored in
     * @return a value of its own
     */
    ParameterValue changed(UnaryOperator<Tensor> change, BiFunction<Tensor, DType, Tensor> narrow);

    /** {@return the compressed form, or null when the values are numbers} */
    default @Nullable CompressedWeight compressed() {
        return null;
    }

    @Override
    void close();
}
