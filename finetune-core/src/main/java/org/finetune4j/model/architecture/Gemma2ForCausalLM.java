package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.Weights;

/**
 * Gemma 2 (Gemma team 2024): capped scores, every other layer sees a window only, and norms before and after each block.
 */
public final class Gemma2ForCausalLM extends GemmaDecoder {

    private static final DecoderShape.Defaults DEFAULTS =
            new DecoderShape.Defaults("hidden_activation", "gelu_pytorch_tanh", true, 256);

    private Gemma2ForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.of(config, shape.layers(), i -> i % 2 == 0),
                shape.rotary(config),
                GemmaLayer.softCap(config, "final_logit_softcapping", 30),
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        boolean bias = config.flag("attention_bias", false);
        return new GemmaLayer(
                weights, shape, shape.selfAttention(weights.at("self_attn"), kind, Style.biased(bias), index));
    }

    /** Scores are scaled by {@code query_pre_attn_scalar}, not by the head's size. */
    private static DecoderShape shape(ModelConfig config) {
        DecoderShape shape = DecoderShape.of(config, DEFAULTS);
        double scale = 1 / Math.sqrt(config.number("query_pre_attn_scalar", 256));
        return shape.withAttention(
                shape.attention().withScale(scale, GemmaLayer.softCap(config, "attn_logit_softcapping", 50)));
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("Gemma2ForCausalLM", "Gemma2ForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(Map.of("pad_token_id", 0, "max_position_embeddings", 8192));
            return new Gemma2ForCausalLM(complete, shape(complete), weights);
        }
    }
}
