package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import java.util.Set;
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

/** OLMoE (Muennighoff et al. 2024): experts in every layer, queries and keys normalised over all heads at once. */
public final class OlmoeForCausalLM extends MixtureDecoder {

    private OlmoeForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.full(shape.layers()),
                shape.rotary(config),
                shape.rmsNorm(),
                experts(config, shape).experts(),
                0.01,
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        boolean bias = config.flag("attention_bias", false);
        Style style = new Style(bias, bias, shape.rmsNorm(), true).clipped(OlmoForCausalLM.clip(config));
        MixtureOfExperts experts = new MixtureOfExperts(
                weights.at("mlp"),
                shape.hidden(),
                experts(config, shape),
                shape.activation(),
                index,
                shape.initialization());
        return new PreNormLayer(
                weights,
                shape.hidden(),
                shape.rmsNorm(),
                shape.selfAttention(weights.at("self_attn"), kind, style, index),
                "mlp",
                experts,
                0);
    }

    private static MixtureOfExperts.Settings experts(ModelConfig config, DecoderShape shape) {
        return ExpertSettings.of(
                config,
                config.positive("num_experts", config.positive("num_local_experts", 64)),
                config.positive("num_experts_per_tok", 8),
                config.flag("norm_topk_prob", false),
                shape.intermediate(),
                GatedFeedForward.Names.USUAL);
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("OlmoeForCausalLM", "OlmoeForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            config.refuse(Set.of("sliding_window"));
            ModelConfig complete = config.withDefaults(
                    Map.of("rms_norm_eps", 1e-5, "pad_token_id", 1, "max_position_embeddings", 4096));
            return new OlmoeForCausalLM(complete, DecoderShape.of(complete), weights);
        }
    }
}
