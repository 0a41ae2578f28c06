package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.GatedFeedForward;
import org.finetune4j.nn.MixtureOfExperts;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.Weights;

/** Qwen 3 with a mixture of experts in most layers (Yang et al. 2025). */
public final class Qwen3MoeForCausalLM extends MixtureDecoder {

    private Qwen3MoeForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
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
        boolean bias = config.flag("attention_bias", false);
        return new PreNormLayer(
                weights,
                shape.hidden(),
                shape.rmsNorm(),
                shape.selfAttention(weights.at("self_attn"), kind, new Style(bias, bias, shape.rmsNorm()), index),
                "mlp",
                isSparse(config, index)
                        ? new MixtureOfExperts(
                                weights.at("mlp"),
                                shape.hidden(),
                                experts(config),
                                shape.activation(),
                                index,
                                shape.initialization())
                        : shape.gatedFeedForward(weights.at("mlp"), false),
                0);
    }

    /** Whether a layer has experts, by {@code mlp_only_layers} and {@code decoder_sparse_step}. */
    static boolean isSparse(ModelConfig config, int layer) {
        boolean dense = false;
        for (var index : config.node("mlp_only_layers")) {
            dense |= index.asInt() == layer;
        }
        return !dense && (layer + 1) % config.positive("decoder_sparse_step", 1) == 0;
    }

    private static MixtureOfExperts.Settings experts(ModelConfig config) {
        return ExpertSettings.of(
                config,
                config.positive("num_experts", config.positive("num_local_experts", 128)),
                config.positive("num_experts_per_tok", 8),
                config.flag("norm_topk_prob", false),
                config.positive("moe_intermediate_size", 768),
                GatedFeedForward.Names.USUAL);
    }

    private static LayerTypes types(ModelConfig config, int layers) {
        return config.flag("use_sliding_window", false) && !LayerTypes.isUnlimited(config)
                ? LayerTypes.sliding(layers, LayerTypes.window(config))
                : LayerTypes.full(layers);
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("Qwen3MoeForCausalLM", "Qwen3MoeForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(Map.of("max_position_embeddings", 32_768));
            return new Qwen3MoeForCausalLM(complete, DecoderShape.of(complete), weights);
        }
    }
}
