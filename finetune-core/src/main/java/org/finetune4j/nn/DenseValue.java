package org.finetune4j.nn;

import java.util.List;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/** Values as a tensor. */
public final class DenseValue implements ParameterValue {

    private Tensor tensor;

    /**
     * Takes over a tensor: it is closed with this value, not with the scope it was made in.
     *
     * @param tensor taken over
     */
    public DenseValue(Tensor tensor) {
        this.tensor = tensor.unscoped();
    }

    @Override
    public long[] shape() {
        return tensor.shape();
    }

    @Override
    public DType dtype() {
        return tensor.dtype();
    }

    @Override
    public long bytes() {
        return tensor.numel() * tensor.dtype().itemSize();
    }

    @Override
    public Device device() {
        return tensor.device();
    }

    @Override
    public Tensor tensor() {
        return tensor;
    }

    @Override
    public Tensor as(DType dtype) {
        return tensor.to(dtype);
    }

    @Override
    public void into(Tensor destination) {
        destination.copyInPlace(tensor.detach());
    }

    @Override
    public Tensor local() {
        return tensor;
    }

    @Override
    public List<Tensor> memory() {
        return List.of(tensor);
    }

    @Override
    public void moveTo(UnaryOperator<Tensor> copy) {
        boolean trains = isTrainable();
        replace(copy.apply(tensor.detach()));
        tensor.requiresGrad(trains);
    }

    @Override
    public boolean isTrainable() {
        return tensor.requiresGrad();
    }

    /** A mapped checkpoint is read-only by convention: what trains is a copy. */
    @Override
    public void train(String name, DType updateDType) {
        if (!isTrainable()) {
            replace(tensor.dtype() == updateDType ? tensor.copy() : tensor.to(updateDType));
            tensor.requiresGrad(true);
        }
    }

    private void replace(Tensor other) {
        tensor.close();
        tensor = other.unscoped();
    }

    @Override
    public void freeze() {
        tensor.clearGrad();
        tensor.requiresGrad(false);
    }

    @Override
    public @Nullable Tensor grad() {
        return tensor.grad();
    }

    @Override
    public void clearGrad() {
        tensor.clearGrad();
    }

    @Override
    public void set(Tensor whole) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            tensor.detach().copyInPlace(whole);
        }
    }

    @Override
    public ParameterValue changed(UnaryOperator<Tensor> change, BiFunction<Tensor, DType, Tensor> narrow) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor exact = tensor.detach().to(dtype().atLeastFloat32()).copy();
            return new DenseValue(narrow.apply(change.apply(exact), dtype()).copy());
        }
    }

    @Override
    public void close() {
        tensor.close();
    }

    @Override
    public String toString() {
        return tensor.toString();
    }
}
