package org.finetune4j.dist.pipeline;

import java.util.function.BiFunction;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.finetune4j.nn.ParameterPart;
import org.finetune4j.nn.ParameterValue;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Values of a parameter that trains in another stage: this rank knows what they are like and holds none of them. They are here
 * while somebody lends them.
 */
final class ElsewhereValue implements ParameterValue {

    private final long[] shape;
    private final DType dtype;
    private final Device device;
    private final Supplier<Tensor> fetched;
    private final Tensor nothing;
    private boolean trains;
    private @Nullable Tensor lent;

    /**
     * @param present what the other stage keeps
     * @param fetched brings a copy here, which belongs to the open scope, while the first rank works
     */
    ElsewhereValue(ParameterValue present, Supplier<Tensor> fetched) {
        this.shape = present.shape();
        this.dtype = present.dtype();
        this.device = present.device();
        this.trains = present.isTrainable();
        this.fetched = fetched;
        try (TensorScope scope = TensorScope.open()) {
            this.nothing = Tensors.zeros(dtype, device, 0).unscoped();
        }
    }

    /** Lets a tensor be the values, of this type or of one that they are unpacked in, or none, and gives the one that was before. */
    @Nullable
    Tensor lend(@Nullable Tensor whole) {
        Tensor before = lent;
        lent = whole;
        return before;
    }

    @Override
    public long[] shape() {
        return shape.clone();
    }

    @Override
    public DType dtype() {
        return dtype;
    }

    @Override
    public long bytes() {
        return 0;
    }

    @Override
    public Device device() {
        return device;
    }

    @Override
    public Tensor tensor() {
        Tensor whole = lent;
        if (whole == null) {
            throw new IllegalStateException(this + ": it is here only while all stages work on a segment together");
        }
        return whole.to(dtype);
    }

    @Override
    public Tensor as(DType wanted) {
        return (lent == null ? fetched.get() : lent).to(wanted);
    }

    @Override
    public void into(Tensor destination) {
        try (TensorScope scope = TensorScope.open()) {
            destination.copyInPlace(as(destination.dtype()).detach());
        }
    }

    @Override
    public ParameterPart part() {
        return new ParameterPart(shape(), 0, nothing);
    }

    /** An optimizer of this rank has nothing to do here. */
    @Override
    public Tensor local() {
        return nothing;
    }

    @Override
    public boolean isTrainable() {
        return trains;
    }

    @Override
    public void train(String name, DType updateDType) {
        trains = true;
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
    public void clearGrad() {}

    /** The stage that has the values takes them over. */
    @Override
    public void set(Tensor whole) {}

    @Override
    public ParameterValue changed(UnaryOperator<Tensor> change, BiFunction<Tensor, DType, Tensor> narrow) {
        throw new IllegalStateException(this + ", which changes it");
    }

    @Override
    public void close() {
        nothing.close();
    }

    @Override
    public String toString() {
        return "in another stage of the pipeline";
    }
}
