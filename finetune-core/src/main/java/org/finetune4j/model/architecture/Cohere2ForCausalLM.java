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

/** Command R7B and A (Cohere 2024): three layers that rotate and see a window to one that sees everything and does not rotate. */
public final class Cohere2ForCausalLM extends ScaledDecoder {

    private Cohere2ForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                types(config, shape.layers()),
                shape.rotary(config).ofNeighbours(),
                CohereForCausalLM.norms(config),
                CohereForCausalLM.scales(config),
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        DecoderShape own = kind == AttentionKind.SLIDING
                ? shape
                : shape.withAttention(shape.attention().withoutRotation());
        Style style = Style.biased(config.flag("attention_bias", false));
        return new ParallelLayer(
                weights,
                shape.hidden(),
                CohereForCausalLM.norms(config),
                own.selfAttention(weights.at("self_attn"), kind, style, index),
                shape.gatedFeedForward(weights.at("mlp"), false),
                0);
    }

    private static LayerTypes types(ModelConfig config, int layers) {
        if (LayerTypes.isUnlimited(config)) {
            throw config.invalid("sliding_window", "a positive whole number");
        }
        int pattern = config.positive("sliding_window_pattern", 4);
        return LayerTypes.of(config, layers, i -> (i + 1) % pattern != 0);
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("Cohere2ForCausalLM", "Cohere2ForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            config.require("use_qk_norm", false);
            ModelConfig complete = config.withDefaults(Map.of("pad_token_id", 0, "max_position_embeddings", 8192));
            return new Cohere2ForCausalLM(complete, DecoderShape.of(complete, CohereForCausalLM.DEFAULTS), weights);
        }
    }
}
