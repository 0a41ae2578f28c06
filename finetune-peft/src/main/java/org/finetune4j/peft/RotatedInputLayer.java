package org.finetune4j.peft;

import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** {@code y = base(x R)}: the input is turned by an orthogonal matrix before the layer sees it. The base's weight is only read. */
public abstract class RotatedInputLayer extends AdaptedLinear implements SharedProduct {

    /**
     * Makes the layer without changing the model.
     *
     * @param model the whole network
     * @param path the layer's path in it
     * @param base the layer itself
     */
    protected RotatedInputLayer(Module model, String path, Linear base) {
        super(model, path, base);
    }

    /**
     * Turns every row.
     *
     * @param rows [..., in]
     * @param back whether by the transposed matrix
     * @return [..., in] of the same type
     */
    protected abstract Tensor rotated(Tensor rows, boolean back);

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        return linear.project(inputOf(x), context);
    }

    @Override
    public Tensor inputOf(Tensor x) {
        return rotated(x, false);
    }

    @Override
    protected Tensor mergedWeight(Tensor weight) {
        return rotated(weight, true); // x R W^T = x (W R^T)^T
    }
}
