package org.finetune4j.peft;

import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** {@code y = base(x) + D x} with a dense matrix D that is computed from a few parameters in every pass. */
public abstract class DenseDeltaLayer extends AdaptedLinear implements SharedProduct {

    private final AdapterSlices slices;

    /**
     * Makes the layer without changing the model.
     *
     * @param model the whole network
     * @param path the layer's path in it
     * @param base the layer itself
     */
    protected DenseDeltaLayer(Module model, String path, Linear base) {
        super(model, path, base);
        this.slices = new AdapterSlices(base);
    }

    /**
     * {@return the change of the checkpoint's weight, [out, in]}
     *
     * @param dtype of the result
     */
    protected abstract Tensor delta(DType dtype);

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        return changed(linear.project(x, context), x, delta(x.dtype()));
    }

    @Override
    public Tensor outputOf(Tensor output, Tensor x, SequenceContext context) {
        return changed(output, x, delta(x.dtype()));
    }

    /** What the layer gives with a change of the checkpoint's weight: of the base's output [..., out] and the input [..., in]. */
    final Tensor changed(Tensor output, Tensor x, Tensor delta) {
        return output.add(Functional.linear(x, slices.of(delta), null));
    }

    /** Every rank has all parameters, and from its slice of what they make a summand of their gradients. */
    @Override
    public void enable() {
        super.enable();
        parameters().forEach(slices::ofAll);
    }

    @Override
    protected @Nullable String insteadOfSlices() {
        return null;
    }

    @Override
    protected final Tensor mergedWeight(Tensor weight) {
        return weight.add(slices.of(delta(weight.dtype())));
    }
}
