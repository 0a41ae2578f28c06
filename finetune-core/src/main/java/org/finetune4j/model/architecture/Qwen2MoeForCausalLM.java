package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.FeedForward;
import org.finetune4j.nn.GatedFeedForward;
import org.finetune4j.nn.MixtureOfExperts;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.SharedExpertMixture;
import org.finetune4j.nn.Weights;

/** Qwen 1.5 and 2 with a mixture of experts in most layers, one of which sees all tokens (Yang et al. 2024). */
public final class Qwen2MoeForCausalLM extends MixtureDecoder {

    private Qwen2MoeForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                types(config, shape.layers()),
                shape.rotary(config),
                shape.rmsNorm(),
                experts(config).experts(),
                0.001,
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        Style style = new Style(config.flag("qkv_bias", true), false, null);
        FeedForward feedForward = Qwen3MoeForCausalLM.isSparse(config, index)
                ? new SharedExpertMixture(
                        weights.at("mlp"),
                        shape.hidden(),
                        experts(config),
                        config.positive("shared_expert_intermediate_size", 5632),
                        shape.activation(),
                        index,
                        shape.initialization())
                : shape.gatedFeedForward(weights.at("mlp"), false);
        return new PreNormLayer(
                weights,
                shape.hidden(),
                shape.rmsNorm(),
                shape.selfAttention(weights.at("self_attn"), kind, style, index),
                "mlp",
                feedForward,
                0);
    }

    private static MixtureOfExperts.Settings experts(ModelConfig config) {
        return ExpertSettings.of(
                config,
                config.positive("num_experts", 60),
                config.positive("num_experts_per_tok", 4),
                config.flag("norm_topk_prob", false),
                config.positive("moe_intermediate_size", 1408),
                GatedFeedForward.Names.USUAL);
    }

    /** Every other layer below {@code max_window_layers} sees a window, where {@code use_sliding_window} asks for one. */
    private static LayerTypes types(ModelConfig config, int layers) {
        boolean sliding = config.flag("use_sliding_window", false);
        int limit = config.count("max_window_layers", 28);
        LayerTypes types = LayerTypes.of(config, layers, i -> sliding && i % 2 == 0 && i < limit);
        if (!sliding && types.kinds().contains(AttentionKind.SLIDING)) {
            throw config.invalid("use_sliding_window", "true, as 'layer_types' has sliding_attention");
        }
        return types;
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("Qwen2MoeForCausalLM", "Qwen2MoeForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete =
                    config.withDefaults(Map.of("num_key_value_heads", 16, "max_position_embeddings", 32_768));
            return new Qwen2MoeForCausalLM(complete, DecoderShape.of(complete), weights);
        }
    }
}
