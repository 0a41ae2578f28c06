package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.RotaryConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.FusedGatedFeedForward;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.RotaryEmbedding;
import org.finetune4j.nn.Weights;

/** GLM-4 0414 and Z1 (GLM team 2024, 2025): norms around both blocks, half of each head rotated, neighbours together. */
public final class Glm4ForCausalLM extends RotaryDecoder {

    static final DecoderShape.Defaults DEFAULTS = new DecoderShape.Defaults("hidden_act", "silu", false, 128);
    static final Map<String, Number> VALUES = Map.of(
            "num_key_value_heads", 2,
            "rms_norm_eps", 1.5625e-7,
            "pad_token_id", 151_329,
            "max_position_embeddings", 131_072);

    private Glm4ForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.full(shape.layers()),
                rotary(config, shape),
                shape.rmsNorm(),
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    static RotaryEmbedding rotary(ModelConfig config, DecoderShape shape) {
        int headDim = shape.attention().headDim();
        return RotaryConfig.ofPart(config, headDim, "rope_theta", "partial_rotary_factor", 0.5)
                .ofNeighbours();
    }

    static Style style(ModelConfig config) {
        return new Style(config.flag("attention_bias", true), false, null);
    }

    static FusedGatedFeedForward feedForward(DecoderShape shape, Weights weights) {
        return new FusedGatedFeedForward(
                weights.at("mlp"),
                shape.hidden(),
                shape.intermediate(),
                false,
                shape.activation(),
                shape.initialization());
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        return new Glm4Layer(
                weights,
                shape,
                shape.selfAttention(weights.at("self_attn"), kind, style(config), index),
                feedForward(shape, weights));
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("Glm4ForCausalLM", "Glm4ForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(VALUES);
            return new Glm4ForCausalLM(complete, DecoderShape.of(complete, DEFAULTS), weights);
        }
    }
}
