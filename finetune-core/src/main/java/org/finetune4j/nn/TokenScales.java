package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * How much a method's changes count for every token of a batch, see {@link TokenScaling}.
 *
 * @param values [batch, seq, ...], or null in a first pass, in which they count for nothing
 */
public record TokenScales(@Nullable Tensor values) {

    /** {@return whether gradients are to be found for them} */
    public boolean train() {
        return values != null && values.requiresGrad();
    }
}
