package org.finetune4j.train.gradient;

import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Keeps virtual tokens, which have no labels, away from loss heads: a head sees as many hidden states as there are real tokens, but
 * where a classifier averages the virtual ones, too.
 */
final class VirtualTokens {

    private VirtualTokens() {}

    /** [batch, virtual + seq, hidden] to [batch, count, hidden]. */
    static Tensor removed(Tensor hidden, int first, int count) {
        return hidden.size(1) == count ? hidden : hidden.narrow(1, first, count);
    }

    /** [batch, count, hidden] to the shape of {@code hidden}, with zeros for the others. */
    static @Nullable Tensor restored(@Nullable Tensor gradient, int first, Tensor hidden) {
        if (gradient == null || gradient.size(1) == hidden.size(1)) {
            return gradient;
        }
        Tensor whole = Tensors.zeros(gradient.dtype(), gradient.device(), hidden.shape());
        whole.narrow(1, first, gradient.size(1)).copyInPlace(gradient);
        gradient.close();
        return whole;
    }
}
