package org.finetune4j.train.gradient;

import org.finetune4j.nn.Portion;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * NEFTune (Jain et al. 2023): in training, uniform noise from {@code -a / sqrt(seq * hidden)} to
 * {@code a / sqrt(seq * hidden)} is added to the token embeddings.
 *
 * @param alpha the paper's a, 5 to 15; 0 for no noise
 */
public record EmbeddingNoise(double alpha) {

    private static final EmbeddingNoise NONE = new EmbeddingNoise(0);

    /** {@return no noise} */
    public static EmbeddingNoise none() {
        return NONE;
    }

    /**
     * @param embedded [batch, seq, hidden], cut off from its graph
     * @param portion which of a whole batch's noise is taken; null for all
     */
    Tensor addTo(Tensor embedded, @Nullable Portion portion) {
        if (alpha == 0) {
            return embedded;
        }
        try (Autograd.Mode mode = Autograd.disabled()) {
            double limit = alpha / Math.sqrt((double) embedded.size(1) * embedded.size(2));
            long[] own = embedded.shape();
            Tensor noise = Tensors.zeros(
                            embedded.dtype(), embedded.device(), portion == null ? own : portion.whole(own))
                    .uniformInPlace(-limit, limit);
            return embedded.add(portion == null ? noise : portion.of(noise, own));
        }
    }
}
