package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Initialization;
import org.finetune4j.nn.PlainFeedForward;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.Weights;

/** Apertus (Swiss AI 2025): Llama with a learned activation in place of a gate, and queries and keys normalised head by head. */
public final class ApertusForCausalLM extends RotaryDecoder {

    private static final String LEARNED = "xielu";
    private static final double THETA = 12e6;

    private static final PreNormLayer.Names NAMES =
            new PreNormLayer.Names("self_attn", "attention_layernorm", "feedforward_layernorm");

    private static final Map<String, Object> ROTATION = Map.of(
            "rope_type",
            "llama3",
            "rope_theta",
            THETA,
            "factor",
            8.0,
            "original_max_position_embeddings",
            8192,
            "low_freq_factor",
            1.0,
            "high_freq_factor",
            4.0);

    private ApertusForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
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
        boolean bias = config.flag("attention_bias", false);
        return new PreNormLayer(
                weights,
                NAMES,
                shape.hidden(),
                shape.rmsNorm(),
                shape.selfAttention(weights.at("self_attn"), kind, new Style(bias, bias, shape.rmsNorm()), index),
                "mlp",
                feedForward(config, shape, weights.at("mlp")),
                0,
                1);
    }

    private static PlainFeedForward feedForward(ModelConfig config, DecoderShape shape, Weights weights) {
        PlainFeedForward.Names names = PlainFeedForward.Names.USUAL;
        long hidden = shape.hidden();
        long inner = shape.intermediate();
        Initialization init = shape.initialization();
        return isLearned(config)
                ? PlainFeedForward.xielu(weights, names, hidden, inner, false, init)
                : new PlainFeedForward(weights, names, hidden, inner, false, shape.activation(), init);
    }

    private static DecoderShape shape(ModelConfig config) {
        return DecoderShape.of(
                config, isLearned(config) ? DecoderShape.Defaults.OWN_ACTIVATION : DecoderShape.Defaults.LLAMA);
    }

    private static boolean isLearned(ModelConfig config) {
        return config.text("hidden_act", LEARNED).equals(LEARNED);
    }

    /** Where no scaling is said it is Llama 3's with a base of its own, whatever {@code rope_theta} is: another one is not guessed. */
    private static ModelConfig rotating(ModelConfig config) {
        if (config.has("rope_parameters") || config.has("rope_scaling")) {
            return config.withDefaults(Map.of("rope_theta", THETA));
        }
        if (config.number("rope_theta", THETA) != THETA) {
            throw config.invalid("rope_theta", "'rope_parameters', without which it is 12,000,000");
        }
        return config.withDefaults(Map.of("rope_parameters", ROTATION));
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("ApertusForCausalLM", "ApertusForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = rotating(config.withDefaults(
                    Map.of("rms_norm_eps", 1e-5, "max_position_embeddings", 65_536, "pad_token_id", 3)));
            config.require("mlp_bias", false);
            return new ApertusForCausalLM(complete, shape(complete), weights);
        }
    }
}
