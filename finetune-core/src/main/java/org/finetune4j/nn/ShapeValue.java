package org.finetune4j.nn;

import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * A parameter that has a shape and a type and no numbers: enough to ask how large something would be. It takes no memory, may be
 * told to train, and has nothing to give or to change. What a method measures of it to begin with, such as the length of its rows, is measured of zeros.
 */
public final class ShapeValue implements ParameterValue {

    private final long[] shape;
    private Tensor element;
    private boolean trains;

    /**
     * A value without numbers.
     *
     * @param dtype the type that it would be stored in
     * @param shape the length of every dimension
     */
    public ShapeValue(DType dtype, long... shape) {
        this.shape = shape.clone();
        this.element = element(dtype);
    }

    /** One number that stands for all: a view of any shape on it takes no memory. */
    private Tensor element(DType dtype) {
        return Tensors.zeros(dtype, Device.CPU).expand(shape).unscoped();
    }

    @Override
    public long[] shape() {
        return shape.clone();
    }

    @Override
    public DType dtype() {
        return element.dtype();
    }

    /** {@return what the numbers would take} */
    @Override
    public long bytes() {
        return element.numel() * dtype().itemSize();
    }

    @Override
    public Device device() {
        return Device.CPU;
    }

    @Override
    public Tensor tensor() {
        throw none();
    }

    /** Zeros, all of which are one number in memory. */
    @Override
    public Tensor as(DType dtype) {
        return Tensors.zeros(dtype, Device.CPU).expand(shape);
    }

    @Override
    public void into(Tensor destination) {
        throw none();
    }

    /** {@return a tensor of the shape, all elements of which are the same 0} */
    @Override
    public Tensor local() {
        return element;
    }

    @Override
    public boolean isTrainable() {
        return trains;
    }

    @Override
    public void train(String name, DType updateDType) {
        trains = true;
        if (updateDType != dtype()) {
            element.close();
            element = element(updateDType);
        }
    }

    @Override
    public void freeze() {
        trains = false;
    }

    @Override
    public @Nullable Tensor grad() {
        return null;
    }

    @Override
    public void clearGrad() {
        // There is none.
    }

    @Override
    public void set(Tensor whole) {
        throw none();
    }

    @Override
    public ParameterValue changed(UnaryOperator<Tensor> change, BiFunction<Tensor, DType, Tensor> narrow) {
        throw none();
    }

    private static IllegalStateException none() {
        return new IllegalStateException("a shape without numbers");
    }

    @Override
    public void close() {
        element.close();
    }
}
