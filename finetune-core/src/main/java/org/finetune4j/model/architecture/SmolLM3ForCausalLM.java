package org.finetune4j.model.architecture;

import com.fasterxml.jackson.databind.JsonNode;
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

/** SmolLM3 (Bakouch et al. 2025): Llama that leaves queries and keys of every fourth layer as they are. */
public final class SmolLM3ForCausalLM extends RotaryDecoder {

    private static final DecoderShape.Defaults DEFAULTS = new DecoderShape.Defaults("hidden_act", "silu", true, 0);

    private static final Map<String, Number> VALUES = Map.of(
            "num_key_value_heads", 4,
            "max_position_embeddings", 32_768,
            "rope_theta", 2_000_000,
            "pad_token_id", 128_004);

    private SmolLM3ForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                types(config, shape.layers()),
                shape.rotary(config),
                shape.rmsNorm(),
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        DecoderShape own = rotates(config, index)
                ? shape
                : shape.withAttention(shape.attention().withoutRotation());
        return new PreNormLayer(
                weights,
                shape.hidden(),
                shape.rmsNorm(),
                own.selfAttention(
                        weights.at("self_attn"), kind, Style.biased(config.flag("attention_bias", false)), index),
                "mlp",
                shape.gatedFeedForward(weights.at("mlp"), config.flag("mlp_bias", false)),
                0);
    }

    /** What {@code no_rope_layers} says, where 1 is a layer that rotates, or {@code no_rope_layer_interval}. */
    private static boolean rotates(ModelConfig config, int layer) {
        JsonNode listed = config.node("no_rope_layers");
        if (!config.has("no_rope_layers")) {
            return (layer + 1) % config.positive("no_rope_layer_interval", 4) != 0;
        }
        if (!listed.isArray() || !listed.path(layer).isInt()) {
            throw config.invalid("no_rope_layers", "a list with 0 or 1 for every layer");
        }
        return listed.get(layer).asInt() != 0;
    }

    /** Layers that do not rotate see a window, where {@code use_sliding_window} asks for one. */
    private static LayerTypes types(ModelConfig config, int layers) {
        boolean sliding = config.flag("use_sliding_window", false) && config.has("sliding_window");
        LayerTypes types = LayerTypes.of(config, layers, i -> sliding && !rotates(config, i));
        if (types.kinds().contains(AttentionKind.SLIDING)) {
            config.positive("sliding_window");
        }
        return types;
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("SmolLM3ForCausalLM", "SmolLM3ForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(VALUES);
            return new SmolLM3ForCausalLM(complete, DecoderShape.of(complete, DEFAULTS), weights);
        }
    }
}
