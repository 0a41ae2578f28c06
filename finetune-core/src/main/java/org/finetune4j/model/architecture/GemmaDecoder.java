package org.finetune4j.model.architecture;

import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.RmsNorm;
import org.finetune4j.nn.RotaryEmbedding;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * What all versions of Gemma share: embeddings times the root of the hidden size, norms that multiply by one plus their weight and, from
 * the second version on, scores of the vocabulary that are capped.
 */
abstract class GemmaDecoder extends RotaryDecoder {

    private final double embeddingScale;
    private final double finalSoftCap;

    /** @param finalSoftCap what scores of the vocabulary stay below; 0 for none */
    GemmaDecoder(
            ModelConfig config,
            DecoderShape shape,
            Weights weights,
            LayerTypes types,
            RotaryEmbedding rotary,
            double finalSoftCap,
            LayerFactory factory) {
        super(config, shape, weights, types, rotary, RmsNorm.onePlusFactory(shape.epsilon()), factory);
        this.embeddingScale = Math.sqrt((double) shape.hidden());
        this.finalSoftCap = finalSoftCap;
    }

    @Override
    protected final double embeddingScale() {
        return embeddingScale;
    }

    @Override
    public final boolean scoresAreProducts() {
        return finalSoftCap == 0;
    }

    /** Caps the scores of the vocabulary; a classifier's stay as they are. */
    @Override
    public final Tensor ownLogits(Tensor normalised, @Nullable SequenceContext context) {
        Tensor logits = super.ownLogits(normalised, context);
        return finalSoftCap == 0 || pooling() != null
                ? logits
                : logits.div(finalSoftCap).tanh().mul(finalSoftCap);
    }
}
