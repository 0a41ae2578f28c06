package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.RotaryConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.FeedForward;
import org.finetune4j.nn.GatedFeedForward;
import org.finetune4j.nn.GroupedExpertMixture;
import org.finetune4j.nn.MixtureOfExperts;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.Weights;

/** GLM-4.5 and 4.6 (GLM team 2025): part of each head rotated, dense layers first, then mixtures with scores that are sigmoids. */
public final class Glm4MoeForCausalLM extends MixtureDecoder {

    private static final Map<String, Number> VALUES = Map.of(
            "num_key_value_heads", 8,
            "max_position_embeddings", 131_072,
            "rms_norm_eps", 1e-5,
            "intermediate_size", 10_944);

    private Glm4MoeForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.full(shape.layers()),
                RotaryConfig.ofPart(config, shape.attention().headDim(), "rope_theta", "partial_rotary_factor", 0.5),
                shape.rmsNorm(),
                experts(config).experts(),
                0,
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        Style style = new Style(
                config.flag("attention_bias", false),
                false,
                config.flag("use_qk_norm", false) ? shape.rmsNorm() : null);
        FeedForward feedForward = index < config.count("first_k_dense_replace", 1)
                ? shape.gatedFeedForward(weights.at("mlp"), false)
                : mixture(config, shape, weights.at("mlp"), index);
        return new PreNormLayer(
                weights,
                shape.hidden(),
                shape.rmsNorm(),
                shape.selfAttention(weights.at("self_attn"), kind, style, index),
                "mlp",
                feedForward,
                0);
    }

    private static GroupedExpertMixture mixture(ModelConfig config, DecoderShape shape, Weights weights, int index) {
        MixtureOfExperts.Settings settings = experts(config);
        return new GroupedExpertMixture(
                weights,
                shape.hidden(),
                settings,
                groups(config, settings),
                settings.inner() * config.positive("n_shared_experts", 1),
                shape.activation(),
                index,
                shape.initialization());
    }

    private static MixtureOfExperts.Settings experts(ModelConfig config) {
        return ExpertSettings.of(
                config,
                config.positive("n_routed_experts", config.positive("num_local_experts", 128)),
                config.positive("num_experts_per_tok", 8),
                config.flag("norm_topk_prob", true),
                config.positive("moe_intermediate_size", 1408),
                GatedFeedForward.Names.USUAL);
    }

    private static GroupedExpertMixture.Groups groups(ModelConfig config, MixtureOfExperts.Settings settings) {
        int groups = config.positive("n_group", 1);
        int chosen = config.positive("topk_group", 1);
        if (settings.experts() % groups != 0 || settings.experts() / groups < 2) {
            throw config.invalid("n_group", "groups of two or more of the " + settings.experts() + " experts each");
        }
        if (chosen > groups || settings.perToken() > settings.experts() / groups * chosen) {
            throw config.invalid(
                    "topk_group", "at most n_group " + groups + ", with num_experts_per_tok experts among them");
        }
        return new GroupedExpertMixture.Groups(groups, chosen, config.number("routed_scaling_factor", 1));
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("Glm4MoeForCausalLM", "Glm4MoeForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        /** Behind the last layer of the checkpoints lies one that predicts a second token, which transformers leaves out too. */
        @Override
        public boolean isDispensable(String name) {
            return name.startsWith("model.layers.46.")
                    || name.startsWith("model.layers.92.")
                    || Architecture.super.isDispensable(name);
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(VALUES);
            return new Glm4MoeForCausalLM(complete, DecoderShape.of(complete), weights);
        }
    }
}
