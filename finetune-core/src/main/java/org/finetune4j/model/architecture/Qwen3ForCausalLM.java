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

/** Qwen 3 (Yang et al. 2025): Llama that normalises every query and key before it is rotated. */
public final class Qwen3ForCausalLM extends RotaryDecoder {

    private static final DecoderShape.Defaults DEFAULTS = new DecoderShape.Defaults("hidden_act", "silu", false, 128);

    private Qwen3ForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                Qwen2ForCausalLM.types(config, shape.layers()),
                shape.rotary(config),
                shape.rmsNorm(),
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        boolean bias = config.flag("attention_bias", false);
        return new PreNormLayer(
                weights,
                shape.hidden(),
                shape.rmsNorm(),
                shape.selfAttention(weights.at("self_attn"), kind, new Style(bias, bias, shape.rmsNorm()), index),
                "mlp",
                shape.gatedFeedForward(weights.at("mlp"), false),
                0);
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("Qwen3ForCausalLM", "Qwen3ForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(Map.of("max_position_embeddings", 32_768));
            return new Qwen3ForCausalLM(complete, DecoderShape.of(complete, DEFAULTS), weights);
        }
    }
}
