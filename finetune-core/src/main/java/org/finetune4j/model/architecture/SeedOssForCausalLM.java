package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.Weights;

/** Seed-OSS (ByteDance Seed 2025): Llama with biases of queries, keys and values, and dropout in its stream. */
public final class SeedOssForCausalLM extends RotaryDecoder {

    private static final Map<String, Number> VALUES = Map.of(
            "num_key_value_heads", 8,
            "head_dim", 128,
            "max_position_embeddings", 524_288,
            "attention_dropout", 0.1,
            "pad_token_id", 1);

    private SeedOssForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.full(shape.layers()),
                shape.rotary(config),
                shape.rmsNorm(),
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        Style style = new Style(config.flag("attention_bias", true), config.flag("attention_out_bias", false), null);
        return new PreNormLayer(
                weights,
                shape.hidden(),
                shape.rmsNorm(),
                shape.selfAttention(weights.at("self_attn"), kind, style, index),
                "mlp",
                shape.gatedFeedForward(weights.at("mlp"), config.flag("mlp_bias", false)),
                config.number("residual_dropout", 0.1));
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("SeedOssForCausalLM", "SeedOssForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(VALUES);
            return new SeedOssForCausalLM(complete, DecoderShape.of(complete), weights);
        }
    }
}
