package org.finetune4j.model.architecture;

import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.RotaryEmbedding;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** A decoder that multiplies the vectors of tokens and the scores of the vocabulary; a classifier's scores stay as they are. */
abstract class ScaledDecoder extends RotaryDecoder {

    /**
     * What is multiplied.
     *
     * @param embedding factor of the vectors of tokens
     * @param scores factor of the scores of the vocabulary
     */
    record Scales(double embedding, double scores) {}

    private final Scales scales;

    ScaledDecoder(
            ModelConfig config,
            DecoderShape shape,
            Weights weights,
            LayerTypes types,
            RotaryEmbedding rotary,
            Norm.Factory norms,
            Scales scales,
            LayerFactory factory) {
        super(config, shape, weights, types, rotary, norms, factory);
        this.scales = scales;
    }

    @Override
    protected final double embeddingScale() {
        return scales.embedding;
    }

    @Override
    public final boolean scoresAreProducts() {
        return scales.scores == 1;
    }

    @Override
    public final Tensor ownLogits(Tensor normalised, @Nullable SequenceContext context) {
        Tensor logits = super.ownLogits(normalised, context);
        return scales.scores == 1 || pooling() != null ? logits : logits.mul(scales.scores);
    }
}
