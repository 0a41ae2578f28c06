package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.RotaryConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.LayerNorm;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.PlainFeedForward;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.Weights;

/** Nemotron 3 to 4 and Minitron (Parmar et al. 2024, Muralidharan et al. 2024): 1 + w norms with biases, the square of relu, part of each head rotated. */
public final class NemotronForCausalLM extends RotaryDecoder {

    private static final DecoderShape.Defaults DEFAULTS = new DecoderShape.Defaults("hidden_act", "relu2", false, 0);

    private NemotronForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.full(shape.layers()),
                RotaryConfig.ofPart(config, shape.attention().headDim(), "rope_theta", "partial_rotary_factor", 0.5),
                norms(config),
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static Norm.Factory norms(ModelConfig config) {
        return LayerNorm.onePlusFactory(config.number("norm_eps", 1e-5));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        return new PreNormLayer(
                weights,
                shape.hidden(),
                norms(config),
                shape.selfAttention(
                        weights.at("self_attn"), kind, Style.biased(config.flag("attention_bias", false)), index),
                "mlp",
                shape.plainFeedForward(weights.at("mlp"), PlainFeedForward.Names.USUAL, config.flag("mlp_bias", false)),
                0);
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("NemotronForCausalLM", "NemotronForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete =
                    config.withDefaults(Map.of("initializer_range", 0.0134, "max_position_embeddings", 4096));
            return new NemotronForCausalLM(complete, DecoderShape.of(complete, DEFAULTS), weights);
        }
    }
}
