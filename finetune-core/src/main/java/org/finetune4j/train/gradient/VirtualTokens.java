package org.finetune4j.train.gradient;

import org.finetune4j.model.ModelInputs;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/** Keeps virtual tokens, which have no labels, away from loss heads: a head sees the hidden states of real tokens only. */
final class VirtualTokens {

    private VirtualTokens() {}

    /** [batch, virtual + seq, hidden] to [batch, seq, hidden]. */
    static Tensor removed(Tensor hidden, ModelInputs inputs) {
        long seq = inputs.sequenceLength();
        long virtual = hidden.size(1) - seq;
        return virtual == 0 ? hidden : hidden.narrow(1, virtual, seq);
    }

    /** [batch, seq, hidden] to the shape of {@code hidden}, with zeros for the virtual tokens. */
    static @Nullable Tensor restored(@Nullable Tensor gradient, Tensor hidden) {
        if (gradient == null || gradient.size(1) == hidden.size(1)) {
            return gradient;
        }
        Tensor whole = Tensors.zeros(gradient.dtype(), gradient.device(), hidden.shape());
        whole.narrow(1, hidden.size(1) - gradient.size(1), gradient.size(1)).copyInPlace(gradient);
        gradient.close();
        return whole;
    }
}
