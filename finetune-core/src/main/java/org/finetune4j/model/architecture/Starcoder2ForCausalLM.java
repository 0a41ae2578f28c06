package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.LayerNorm;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.PlainFeedForward;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.Weights;

/** StarCoder 2 (Lozhkov et al. 2024): norms with biases, a feed-forward block without a gate, a window. */
public final class Starcoder2ForCausalLM extends RotaryDecoder {

    private static final DecoderShape.Defaults DEFAULTS =
            new DecoderShape.Defaults("hidden_act", "gelu_pytorch_tanh", true, 0);
    private static final PlainFeedForward.Names PROJECTIONS = new PlainFeedForward.Names("c_fc", "c_proj");
    private static final Map<String, Number> VALUES =
            Map.of("num_key_value_heads", 2, "max_position_embeddings", 4096, "initializer_range", 0.018042);

    private Starcoder2ForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.slidingEverywhere(config, shape.layers()),
                shape.rotary(config),
                norms(config),
                new Ends("norm", false, config.number("embedding_dropout", 0)),
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static Norm.Factory norms(ModelConfig config) {
        return LayerNorm.factory(config.number("norm_epsilon", 1e-5));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        boolean bias = config.flag("use_bias", true);
        return new PreNormLayer(
                weights,
                shape.hidden(),
                norms(config),
                shape.selfAttention(weights.at("self_attn"), kind, Style.biased(bias), index),
                "mlp",
                shape.plainFeedForward(weights.at("mlp"), PROJECTIONS, bias),
                config.number("residual_dropout", 0));
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("Starcoder2ForCausalLM", "Starcoder2ForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(VALUES);
            return new Starcoder2ForCausalLM(complete, DecoderShape.of(complete, DEFAULTS), weights);
        }
    }
}
