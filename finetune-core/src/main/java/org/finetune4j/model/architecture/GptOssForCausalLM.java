package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.StackedTensor;
import org.finetune4j.nn.Activation;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.ClampedFeedForward;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.GatedFeedForward;
import org.finetune4j.nn.MixtureOfExperts;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.Weights;
import org.jspecify.annotations.Nullable;

/**
 * gpt-oss (OpenAI 2025, arXiv:2508.10925): windows in every other layer, a sink in every head, experts whose gates are clamped. Checkpoints
 * hold the weights of a layer's experts in one tensor, most in MXFP4.
 */
public final class GptOssForCausalLM extends MixtureDecoder {

    private static final double LIMIT = 7;
    private static final String LIMIT_KEY = "swiglu_limit";

    private GptOssForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.of(config, shape.layers(), i -> i % 2 == 0),
                shape.rotary(config),
                shape.rmsNorm(),
                experts(config, shape).experts(),
                0.001,
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        MixtureOfExperts experts = new MixtureOfExperts(
                weights.at("mlp"),
                shape.hidden(),
                experts(config, shape),
                new MixtureOfExperts.Parts(
                        "router",
                        true,
                        own -> new ClampedFeedForward(
                                own,
                                shape.hidden(),
                                shape.intermediate(),
                                Activation.QUICK_GELU,
                                LIMIT,
                                shape.initialization())),
                index,
                shape.initialization());
        Style style = Style.biased(config.flag("attention_bias", true)).withSinks();
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
                config.positive("num_local_experts", config.positive("num_experts", 128)),
                config.positive("num_experts_per_tok", 4),
                true,
                shape.intermediate(),
                GatedFeedForward.Names.USUAL);
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        private static final Pattern EXPERT = Pattern.compile("(.*\\.mlp\\.experts)\\.(\\d+)\\.(\\w+)\\.(weight|bias)");

        @Override
        public List<String> names() {
            return List.of("GptOssForCausalLM", "GptOssForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public @Nullable StackedTensor stacked(String name) {
            Matcher matcher = EXPERT.matcher(name);
            if (!matcher.matches()) {
                return null;
            }
            String ending = matcher.group(4).equals("bias") ? "_bias" : "";
            return new StackedTensor(
                    matcher.group(1) + "." + matcher.group(3) + ending, Integer.parseInt(matcher.group(2)));
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            // transformers has numbers of its own for these two, whatever the file says.
            if (config.number(LIMIT_KEY, LIMIT) != LIMIT) {
                throw new UserErrorException(config.origin() + ": '" + LIMIT_KEY + "': " + config.node(LIMIT_KEY)
                        + " is not implemented for " + config.architecture() + ", which clamps at " + LIMIT);
            }
            if (Activation.named(config.text("hidden_act", "silu")) != Activation.SILU) {
                throw config.invalid("hidden_act", "silu");
            }
            if (LayerTypes.isUnlimited(config)) {
                throw config.invalid("sliding_window", "a positive whole number");
            }
            ModelConfig complete = config.withDefaults(Map.of(
                            "rms_norm_eps",
                            1e-5,
                            "rope_theta",
                            150_000,
                            "max_position_embeddings",
                            131_072,
                            "sliding_window",
                            128,
                            "head_dim",
                            64,
                            "num_key_value_heads",
                            8))
                    .withDefaultObject("rope_parameters", "rope_scaling", YARN);
            return new GptOssForCausalLM(complete, DecoderShape.of(complete), weights);
        }

        private static final Map<String, Object> YARN = Map.of(
                "rope_type",
                "yarn",
                "factor",
                32.0,
                "beta_fast",
                32.0,
                "beta_slow",
                1.0,
                "truncate",
                false,
                "original_max_position_embeddings",
                4096);
    }
}
