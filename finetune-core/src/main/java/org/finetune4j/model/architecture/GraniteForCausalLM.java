package org.finetune4j.model.architecture;

import java.util.List;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.Weights;

/** Granite 3 (Granite team 2024): Llama with four factors, of embeddings, scores of attention, outputs of blocks, and logits. */
public final class GraniteForCausalLM extends ScaledDecoder {

    private GraniteForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.full(shape.layers()),
                shape.rotary(config),
                shape.rmsNorm(),
                new Scales(factor(config, "embedding_multiplier"), 1 / factor(config, "logits_scaling")),
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        return new PreNormLayer(
                weights,
                shape.hidden(),
                shape.rmsNorm(),
                shape.selfAttention(
                        weights.at("self_attn"), kind, Style.biased(config.flag("attention_bias", false)), index),
                "mlp",
                shape.gatedFeedForward(weights.at("mlp"), config.flag("mlp_bias", false)),
                0,
                factor(config, "residual_multiplier"));
    }

    private static double factor(ModelConfig config, String key) {
        double factor = config.number(key, 1);
        if (factor == 0) {
            throw config.invalid(key, "a number other than 0");
        }
        return factor;
    }

    /** Scores are multiplied by {@code attention_multiplier} alone, whatever the head's size. */
    private static DecoderShape shape(ModelConfig config) {
        DecoderShape shape = DecoderShape.of(config);
        return shape.withAttention(shape.attention().withScale(factor(config, "attention_multiplier"), 0));
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("GraniteForCausalLM", "GraniteForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            return new GraniteForCausalLM(config, shape(config), weights);
        }
    }
}
