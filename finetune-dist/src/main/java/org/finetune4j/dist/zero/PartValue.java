package org.finetune4j.dist.zero;

import java.util.List;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterPart;
import org.finetune4j.nn.ParameterValue;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The elements of a parameter that this rank updates, where every rank has the whole of it: consecutive ones, in row-major order.
 * They are the whole's memory; their gradient, summed over all ranks, is a memory of its own.
 */
final class PartValue implements ParameterValue {

    private final Parameter whole;
    private final long length;
    private final long offset;
    private final long count;
    private @Nullable Tensor gradient;

    PartValue(Parameter whole, int rank, int ranks) {
        this.whole = whole;
        this.length = (whole.numel() + ranks - 1) / ranks;
        this.offset = Math.min(whole.numel(), rank * length);
        this.count = Math.min(length, whole.numel() - offset);
    }

    /** How many elements every rank has, but those at the end. */
    long length() {
        return length;
    }

    /** How many elements this rank has. */
    long count() {
        return count;
    }

    /** This rank's elements of anything that has as many as the whole. */
    Tensor of(Tensor flat) {
        return flat.narrow(0, offset, count);
    }

    /** Adds to the gradient of this rank's elements. */
    void addGradient(Tensor more) {
        Tensor present = gradient;
        if (present == null) {
            gradient = more.copy().unscoped();
        } else {
            present.addInPlace(more);
        }
    }

    @Override
    public long[] shape() {
        return whole.shape();
    }

    @Override
    public DType dtype() {
        return whole.dtype();
    }

    @Override
    public long bytes() {
        return count * dtype().itemSize();
    }

    @Override
    public Device device() {
        return whole.device();
    }

    @Override
    public Tensor tensor() {
        return whole.value();
    }

    @Override
    public Tensor as(DType dtype) {
        return whole.as(dtype);
    }

    @Override
    public void into(Tensor destination) {
        whole.form().into(destination);
    }

    @Override
    public ParameterPart part() {
        try (Autograd.Mode mode = Autograd.disabled()) {
            return new ParameterPart(shape(), offset, local());
        }
    }

    @Override
    public Tensor local() {
        return of(whole.local().detach().view(-1));
    }

    /** Pages are those of the whole. */
    @Override
    public List<Tensor> memory() {
        return whole.form().memory();
    }

    @Override
    public boolean isTrainable() {
        return whole.isTrainable();
    }

    @Override
    public void train(String name, DType updateDType) {
        whole.train(updateDType);
    }

    @Override
    public void freeze() {
        whole.freeze();
    }

    @Override
    public @Nullable Tensor grad() {
        return gradient;
    }

    @Override
    public void clearGrad() {
        if (gradient != null) {
            gradient.close();
            gradient = null;
        }
    }

    @Override
    public void set(Tensor values) {
        whole.set(values);
    }

    @Override
    public ParameterValue changed(UnaryOperator<Tensor> change, BiFunction<Tensor, DType, Tensor> narrow) {
        return whole.form().changed(change, narrow);
    }

    /** The whole stays. */
    @Override
    public void close() {
        clearGrad();
    }

    @Override
    public String toString() {
        return "elements " + offset + " to " + (offset + count) + " of " + whole;
    }
}
