package org.finetune4j.train.optimizer;

import java.util.List;
import java.util.function.BiFunction;
import java.util.function.UnaryOperator;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterValue;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.offload.StateMemory;
import org.jspecify.annotations.Nullable;

/**
 * The float32 values behind a parameter that trains in fewer bits. They begin as its own; the gradient is its own, in
 * float32 for as long as somebody looks at it.
 */
final class MasterValue implements ParameterValue {

    private final Parameter trained;
    private @Nullable Tensor master;
    private @Nullable StateMemory memory;

    MasterValue(Parameter trained) {
        this.trained = trained;
    }

    @Override
    public long[] shape() {
        return trained.shape();
    }

    @Override
    public DType dtype() {
        return DType.FLOAT32;
    }

    @Override
    public long bytes() {
        return master == null ? 0 : master.numel() * Float.BYTES;
    }

    @Override
    public Device device() {
        return trained.device();
    }

    /** The master, made when it is first asked for. */
    @Override
    public Tensor tensor() {
        Tensor made = master;
        if (made == null) {
            made = made(trained.local().detach()).unscoped();
            master = made;
        }
        return made;
    }

    private Tensor made(Tensor values) {
        StateMemory place = memory;
        if (place == null) {
            return values.to(DType.FLOAT32);
        }
        try (Autograd.Mode mode = Autograd.disabled()) {
            return place.zeros(DType.FLOAT32, values.shape()).copyInPlace(values);
        }
    }

    /** Says where the master goes when it is made. */
    void keepIn(StateMemory place) {
        memory = place;
    }

    @Override
    public List<Tensor> memory() {
        Tensor made = master;
        return made == null ? List.of() : List.of(made);
    }

    @Override
    public Tensor local() {
        return tensor();
    }

    @Override
    public Tensor as(DType dtype) {
        return tensor().to(dtype);
    }

    @Override
    public void into(Tensor destination) {
        destination.copyInPlace(tensor());
    }

    @Override
    public boolean isTrainable() {
        return trained.isTrainable();
    }

    @Override
    public void train(String name, DType updateDType) {
        trained.train(trained.dtype());
    }

    @Override
    public void freeze() {
        trained.freeze();
    }

    @Override
    public @Nullable Tensor grad() {
        Tensor gradient = trained.grad();
        return gradient == null ? null : gradient.to(DType.FLOAT32);
    }

    @Override
    public void clearGrad() {
        trained.clearGrad();
    }

    @Override
    public void set(Tensor values) {
        tensor().copyInPlace(values);
    }

    @Override
    public ParameterValue changed(UnaryOperator<Tensor> change, BiFunction<Tensor, DType, Tensor> narrow) {
        return trained.form().changed(change, narrow);
    }

    /** The master, or null where none was needed yet. */
    @Nullable
    Tensor made() {
        return master;
    }

    /** Gives the parameter the master's values, rounded to the nearest that its type has. */
    void round() {
        Tensor made = master;
        if (made != null) {
            try (Autograd.Mode mode = Autograd.disabled();
                    TensorScope scope = TensorScope.open()) {
                trained.local().detach().copyInPlace(made);
            }
            if (memory != null) {
                memory.touch(memory());
                memory.touch(trained.form().memory());
            }
        }
    }

    @Override
    public void close() {
        if (master != null) {
            if (memory == null) {
                master.close();
            }
            master = null;
        }
    }
}
