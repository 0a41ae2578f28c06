package org.finetune4j.model.architecture;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Embedding;
import org.finetune4j.nn.LayerNorm;
import org.finetune4j.nn.RotaryEmbedding;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;

/** Falcon 7B, 40B, 180B and 11B (Almazrouei et al. 2023): one head of keys for all queries, or a few, blocks side by side. */
public final class FalconForCausalLM extends ChainedDecoder {

    private final Chain chain;
    private final FalconShape shape;

    private FalconForCausalLM(ModelConfig config, FalconShape shape, Weights weights) {
        this.shape = shape;
        Weights backbone = weights.at("transformer");
        Embedding embedding = child(
                "transformer.word_embeddings",
                new Embedding(
                        backbone.at("word_embeddings"), shape.vocabulary(), shape.hidden(), shape.initialization()));
        List<DecoderLayer> layers = new ArrayList<>();
        for (int i = 0; i < shape.layers(); i++) {
            layers.add(child("transformer.h." + i, new FalconLayer(shape, backbone.at("h", i), i)));
        }
        LayerNorm norm = child("transformer.ln_f", new LayerNorm(backbone.at("ln_f"), shape.hidden(), shape.epsilon()));
        OutputHead head = OutputHead.of(
                config, weights, "lm_head", embedding, shape.hidden(), shape.tied(), shape.initialization());
        child(head.name(), head.layer());
        this.chain = new Chain(embedding, layers, norm, head);
    }

    @Override
    Chain chain() {
        return chain;
    }

    @Override
    public Tensor embed(Tensor inputIds, SequenceContext context, DType computeDType) {
        return allVectors(inputIds, context, computeDType);
    }

    @Override
    protected boolean embedsTokensOnly() {
        return true;
    }

    @Override
    public RotaryEmbedding rotaryEmbedding(AttentionKind kind) {
        return shape.rotary();
    }

    @Override
    public int maxPositions() {
        return shape.maxPositions();
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("FalconForCausalLM", "FalconForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "transformer.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            return new FalconForCausalLM(config, FalconShape.of(config), weights);
        }
    }
}
