package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.HeadLayerNorm;
import org.finetune4j.nn.LayerNorm;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.Weights;

/** Command R (Cohere 2024): blocks side by side, norms without biases, neighbours that turn together, scaled logits. */
public final class CohereForCausalLM extends ScaledDecoder {

    static final DecoderShape.Defaults DEFAULTS = new DecoderShape.Defaults("hidden_act", "silu", true, 0);

    private CohereForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.full(shape.layers()),
                shape.rotary(config).ofNeighbours(),
                norms(config),
                scales(config),
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    static Norm.Factory norms(ModelConfig config) {
        return LayerNorm.withoutBiasFactory(epsilon(config));
    }

    private static double epsilon(ModelConfig config) {
        return config.number("layer_norm_eps", 1e-5);
    }

    static Scales scales(ModelConfig config) {
        return new Scales(1, config.number("logit_scale", 0.0625));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        boolean bias = config.flag("attention_bias", false);
        Style style = config.flag("use_qk_norm", false)
                ? new Style(bias, bias, HeadLayerNorm.factory(shape.attention().headDim(), epsilon(config)), true)
                : Style.biased(bias);
        return new ParallelLayer(
                weights,
                shape.hidden(),
                norms(config),
                shape.selfAttention(weights.at("self_attn"), kind, style, index),
                shape.gatedFeedForward(weights.at("mlp"), false),
                0);
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("CohereForCausalLM", "CohereForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(
                    Map.of("rope_theta", 500_000, "pad_token_id", 0, "max_position_embeddings", 8192));
            return new CohereForCausalLM(complete, DecoderShape.of(complete, DEFAULTS), weights);
        }
    }
}
