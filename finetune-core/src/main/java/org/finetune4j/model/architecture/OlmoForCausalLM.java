package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.LayerNorm;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.Weights;

/** OLMo 1 (Groeneveld et al. 2024): Llama whose norms have no weights, with a bound of queries, keys and values. */
public final class OlmoForCausalLM extends RotaryDecoder {

    private static final double EPSILON = 1e-5;

    private OlmoForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.full(shape.layers()),
                shape.rotary(config),
                norms(),
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static Norm.Factory norms() {
        return (weights, size) -> LayerNorm.plain(EPSILON);
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        Style style = Style.biased(config.flag("attention_bias", false));
        return new PreNormLayer(
                weights,
                shape.hidden(),
                norms(),
                shape.selfAttention(weights.at("self_attn"), kind, style.clipped(clip(config)), index),
                "mlp",
                shape.gatedFeedForward(weights.at("mlp"), false),
                0);
    }

    /** {@code clip_qkv}, or 0 where there is none. */
    static double clip(ModelConfig config) {
        double bound = config.number("clip_qkv", 0);
        if (config.has("clip_qkv") && bound <= 0) {
            throw config.invalid("clip_qkv", "a number above 0");
        }
        return bound;
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("OlmoForCausalLM", "OlmoForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(Map.of("pad_token_id", 1));
            return new OlmoForCausalLM(complete, DecoderShape.of(complete), weights);
        }
    }
}
