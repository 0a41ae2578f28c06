package org.finetune4j.nn;

import java.util.List;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Frozen values that become numbers only while they are used. */
public final class CompressedValue implements ParameterValue {

    private CompressedWeight weight;

    /**
     * Takes over a compressed weight.
     *
     * @param weight taken over
     */
    public CompressedValue(CompressedWeight weight) {
        this.weight = weight;
    }

    @Override
    public long[] shape() {
        return weight.shape();
    }

    @Override
    public DType dtype() {
        return weight.dtype();
    }

    @Override
    public long bytes() {
        return weight.bytes();
    }

    @Override
    public Device device() {
        return weight.device();
    }

    @Override
    public Tensor tensor() {
        throw new IllegalStateException("stored compressed: use as(dtype), shape() or numel() instead of value()");
    }

    @Override
    public Tensor as(DType dtype) {
        return weight.decompress(dtype);
    }

    @Override
    public void into(Tensor destination) {
        weight.decompressInto(destination);
    }

    @Override
    public Tensor local() {
        return tensor();
    }

    @Override
    public List<Tensor> memory() {
        return weight.memory();
    }

    @Override
    public void moveTo(UnaryOperator<Tensor> copy) {
        weight = weight.movedTo(copy);
    }

    @Override
    public boolean isTrainable() {
        return false;
    }

    @Override
    public void train(String name, DType updateDType) {
        throw new UserErrorException("'" + name + "' is quantised and cannot train: load the model without"
                + " load_in_4bit and load_in_8bit, or use a method that adds parameters, such as lora");
    }

    @Override
    public void freeze() {}

    @Override
    public @Nullable Tensor grad() {
        return null;
    }

    @Override
    public void clearGrad() {}

    @Override
    public void set(Tensor whole) {
        throw new IllegalStateException("stored compressed: replace it by what compresses the other numbers");
    }

    /** A model's weights are never all decompressed at once, so the change is calculated anew whenever they are used. */
    @Override
    public ParameterValue changed(UnaryOperator<Tensor> change, BiFunction<Tensor, DType, Tensor> narrow) {
        return new CompressedValue(new CalculatedWeight(weight, change));
    }

    @Override
    public CompressedWeight compressed() {
        return weight;
    }

    @Override
    public void close() {
        weight.close();
    }

    @Override
    public String toString() {
        return "compressed";
    }
}
