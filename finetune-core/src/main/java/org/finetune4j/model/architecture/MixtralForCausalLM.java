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

/** Mixtral (Jiang et al. 2024): Mistral with a mixture of experts for every feed-forward block. */
public final class MixtralForCausalLM extends MixtureDecoder {

    private MixtralForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.slidingEverywhere(config, shape.layers()),
                shape.rotary(config),
                shape.rmsNorm(),
                experts(config, shape).experts(),
                0.001,
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        MixtureOfExperts experts = new MixtureOfExperts(
                weights.at("block_sparse_moe"),
                shape.hidden(),
                experts(config, shape),
                shape.activation(),
                index,
                shape.initialization());
        return new PreNormLayer(
                weights,
                shape.hidden(),
                shape.rmsNorm(),
                shape.selfAttention(weights.at("self_attn"), kind, Style.biased(false), index),
                "block_sparse_moe",
                experts,
                0);
    }

    private static MixtureOfExperts.Settings experts(ModelConfig config, DecoderShape shape) {
        return ExpertSettings.of(
                config,
                config.positive("num_local_experts", 8),
                config.positive("num_experts_per_tok", 2),
                true,
                shape.intermediate(),
                new GatedFeedForward.Names("w1", "w3", "w2"));
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("MixtralForCausalLM", "MixtralForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            config.requireZero("router_jitter_noise");
            ModelConfig complete = config.withDefaults(
                    Map.of("rms_norm_eps", 1e-5, "rope_theta", 1e6, "max_position_embeddings", 131_072));
            return new MixtralForCausalLM(complete, DecoderShape.of(complete), weights);
        }
    }
}
