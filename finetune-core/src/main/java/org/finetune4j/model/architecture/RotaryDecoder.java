package org.finetune4j.model.architecture;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Embedding;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.RotaryEmbedding;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;

/**
 * What the decoders of Llama's layout share: {@code model.embed_tokens}, {@code model.layers}, {@code model.norm}, then
 * {@code lm_head} or {@code score}. A member of the family says how its layers are made.
 */
abstract class RotaryDecoder extends ChainedDecoder {

    /** Makes the layer of a number, whose attention is of a kind. */
    @FunctionalInterface
    interface LayerFactory {
        DecoderLayer create(Weights weights, int index, AttentionKind kind);
    }

    /**
     * What differs at the ends of the chain.
     *
     * @param norm the final norm's name below {@code model}
     * @param headBias whether the layer over the vocabulary has a bias
     * @param embeddingDropout share of the vectors of tokens that is dropped in training
     */
    record Ends(String norm, boolean headBias, double embeddingDropout) {

        static final Ends USUAL = new Ends("norm", false, 0);
    }

    private final Chain chain;
    private final LayerTypes types;
    private final RotaryEmbedding rotary;
    private final int maxPositions;
    private final double embeddingDropout;

    RotaryDecoder(
            ModelConfig config,
            DecoderShape shape,
            Weights weights,
            LayerTypes types,
            RotaryEmbedding rotary,
            Norm.Factory norms,
            LayerFactory factory) {
        this(config, shape, weights, types, rotary, norms, Ends.USUAL, factory);
    }

    RotaryDecoder(
            ModelConfig config,
            DecoderShape shape,
            Weights weights,
            LayerTypes types,
            RotaryEmbedding rotary,
            Norm.Factory norms,
            Ends ends,
            LayerFactory factory) {
        Weights backbone = weights.at("model");
        Embedding embedding = child(
                "model.embed_tokens",
                new Embedding(
                        backbone.at("embed_tokens"),
                        shape.vocabulary(),
                        shape.hidden(),
                        shape.initialization(),
                        config.padTokenId()));
        List<DecoderLayer> layers = new ArrayList<>();
        for (int i = 0; i < shape.layers(); i++) {
            layers.add(child("model.layers." + i, factory.create(backbone.at("layers", i), i, types.kind(i))));
        }
        Norm norm = child("model." + ends.norm, norms.create(backbone.at(ends.norm), shape.hidden()));
        OutputHead head = ends.headBias
                ? OutputHead.withBias(config, weights, "lm_head", embedding, shape.hidden(), shape.initialization())
                : OutputHead.of(
                        config, weights, "lm_head", embedding, shape.hidden(), shape.tied(), shape.initialization());
        child(head.name(), head.layer());
        this.chain = new Chain(embedding, layers, norm, head);
        this.embeddingDropout = ends.embeddingDropout;
        this.types = types;
        this.rotary = rotary;
        this.maxPositions = shape.maxPositions();
    }

    @Override
    final Chain chain() {
        return chain;
    }

    @Override
    public final Tensor embed(Tensor inputIds, SequenceContext context, DType computeDType) {
        return context.dropout().apply(allVectors(inputIds, context, computeDType), embeddingDropout);
    }

    @Override
    protected final boolean embedsTokensOnly() {
        return embeddingDropout == 0;
    }

    @Override
    public final Set<AttentionKind> attentionKinds() {
        return types.distinct();
    }

    @Override
    public final int slidingWindow() {
        return types.window();
    }

    @Override
    public RotaryEmbedding rotaryEmbedding(AttentionKind kind) {
        return rotary;
    }

    @Override
    public final int maxPositions() {
        return maxPositions;
    }
}
