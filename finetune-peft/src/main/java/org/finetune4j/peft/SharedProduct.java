package org.finetune4j.peft;

import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Tensor;

/**
 * What an {@link AdaptedLinear} without dropout does before and after the base's product, so that rows of several adapters share that one
 * product. It says the same as its {@code forward}: {@code y = outputOf(base(inputOf(x)), x)}.
 */
public interface SharedProduct {

    /**
     * {@return what the base reads: {@code x} itself unless the method changes it}
     *
     * @param x [..., in]
     */
    default Tensor inputOf(Tensor x) {
        return x;
    }

    /**
     * {@return the layer's output}
     *
     * @param output the base's, of {@link #inputOf}: [..., out], which is not changed
     * @param x [..., in], what the layer was given
     * @param context what is known about the batch
     */
    default Tensor outputOf(Tensor output, Tensor x, SequenceContext context) {
        return output;
    }
}
