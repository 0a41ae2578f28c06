package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.RotaryConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.RmsNorm;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.RotaryEmbedding;
import org.finetune4j.nn.Weights;

/**
 * Gemma 3 for text (Gemma team 2025): five layers that see a window to one that sees everything, each kind with its own
 * rotary embedding, and normalised queries and keys.
 */
public final class Gemma3ForCausalLM extends GemmaDecoder {

    private static final DecoderShape.Defaults DEFAULTS =
            new DecoderShape.Defaults("hidden_activation", "gelu_pytorch_tanh", true, 256);

    /** What the class of transformers has by itself: the configuration of the 4B model says little. */
    private static final Map<String, Integer> SIZES = Map.of(
            "vocab_size", 262_208,
            "hidden_size", 2304,
            "intermediate_size", 9216,
            "num_hidden_layers", 26,
            "num_attention_heads", 8,
            "num_key_value_heads", 4,
            "pad_token_id", 0,
            "max_position_embeddings", 131_072);

    private final RotaryEmbedding localRotary;

    private Gemma3ForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                types(config, shape.layers()),
                global(config, shape),
                GemmaLayer.softCap(config, "final_logit_softcapping", 0),
                (at, index, kind) -> layer(config, shape, at, index, kind));
        this.localRotary = local(config, shape);
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        boolean bias = config.flag("attention_bias", false);
        return new GemmaLayer(
                weights,
                shape,
                shape.selfAttention(
                        weights.at("self_attn"),
                        kind,
                        new Style(bias, bias, RmsNorm.onePlusFactory(shape.epsilon())),
                        index));
    }

    /** Scores are scaled by {@code query_pre_attn_scalar}, not by the head's size. */
    private static DecoderShape shape(ModelConfig config) {
        DecoderShape shape = DecoderShape.of(config, DEFAULTS);
        double scale = 1 / Math.sqrt(config.number("query_pre_attn_scalar", 256));
        return shape.withAttention(shape.attention().withScale(scale, 0));
    }

    private static LayerTypes types(ModelConfig config, int layers) {
        int pattern = config.positive("sliding_window_pattern", config.positive("_sliding_window_pattern", 6));
        return LayerTypes.of(config, layers, i -> (i + 1) % pattern != 0);
    }

    private static RotaryEmbedding global(ModelConfig config, DecoderShape shape) {
        double theta = config.number("rope_theta", 1_000_000);
        return RotaryConfig.ofLayerType(config, shape.attention().headDim(), "full_attention", theta, true);
    }

    private static RotaryEmbedding local(ModelConfig config, DecoderShape shape) {
        double theta = config.number("rope_local_base_freq", 10_000);
        return RotaryConfig.ofLayerType(config, shape.attention().headDim(), "sliding_attention", theta, false);
    }

    @Override
    public RotaryEmbedding rotaryEmbedding(AttentionKind kind) {
        return kind == AttentionKind.SLIDING ? localRotary : super.rotaryEmbedding(kind);
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("Gemma3ForCausalLM", "Gemma3TextForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            // transformers reads this key and caps nothing, other implementations do.
            config.refuse(Set.of("attn_logit_softcapping"));
            ModelConfig complete = config.withDefaults(SIZES);
            return new Gemma3ForCausalLM(complete, shape(complete), weights);
        }
    }
}
