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

    /**
     * Makes the layer without changing the model.
     *
     * @param model the whole network
     * @param path the layer's path in it
     * @param base the layer itself
     */
    protected DenseDeltaLayer(Module model, String path, Linear base) {
        super(model, path, base);
    }

    /**
     * {@return the change of the weight, [out, in]}
     *
     * @param dtype of the result
     */
    protected abstract Tensor delta(DType dtype);

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        return linear.project(x, context).add(Functional.linear(x, delta(x.dtype()), null));
    }

    @Override
    public Tensor outputOf(Tensor output, Tensor x, SequenceContext context) {
        return output.add(Functional.linear(x, delta(x.dtype()), null));
    }

    @Override
    protected final Tensor mergedWeight(Tensor weight) {
        return weight.add(delta(weight.dtype()));
    }
}
