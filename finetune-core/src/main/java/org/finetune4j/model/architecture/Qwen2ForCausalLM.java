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

/** Qwen 2 and 2.5 (Yang et al. 2024): Llama with biases on queries, keys and values. */
public final class Qwen2ForCausalLM extends RotaryDecoder {

    private Qwen2ForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                types(config, shape.layers()),
                shape.rotary(config),
                shape.rmsNorm(),
                (at, index, kind) -> layer(shape, at, index, kind));
    }

    private static DecoderLayer layer(DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        return new PreNormLayer(
                weights,
                shape.hidden(),
                shape.rmsNorm(),
                shape.selfAttention(weights.at("self_attn"), kind, new Style(true, false, null), index),
                "mlp",
                shape.gatedFeedForward(weights.at("mlp"), false),
                0);
    }

    /** Layers from {@code max_window_layers} on see a window, where {@code use_sliding_window} asks for one. */
    static LayerTypes types(ModelConfig config, int layers) {
        boolean sliding = config.flag("use_sliding_window", false) && !LayerTypes.isUnlimited(config);
        int first = config.count("max_window_layers", 28);
        return LayerTypes.of(config, layers, i -> sliding && i >= first);
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("Qwen2ForCausalLM", "Qwen2ForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(Map.of("max_position_embeddings", 32_768));
            return new Qwen2ForCausalLM(complete, DecoderShape.of(complete), weights);
        }
    }
}
