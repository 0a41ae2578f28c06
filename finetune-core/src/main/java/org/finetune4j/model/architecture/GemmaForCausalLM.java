package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.Activation;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.RmsNorm;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.Weights;

/** Gemma 1 (Gemma team 2024): Llama with scaled embeddings and norms that multiply by one plus their weight. */
public final class GemmaForCausalLM extends GemmaDecoder {

    private static final DecoderShape.Defaults DEFAULTS =
            new DecoderShape.Defaults("hidden_act", "gelu_pytorch_tanh", true, 256);

    private GemmaForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.full(shape.layers()),
                shape.rotary(config),
                0,
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        return new PreNormLayer(
                weights,
                shape.hidden(),
                RmsNorm.onePlusFactory(shape.epsilon()),
                shape.selfAttention(
                        weights.at("self_attn"), kind, Style.biased(config.flag("attention_bias", false)), index),
                "mlp",
                shape.gatedFeedForward(weights.at("mlp"), false),
                0);
    }

    /** Configurations of the first release say gelu and mean its approximation. */
    private static DecoderShape shape(ModelConfig config) {
        DecoderShape shape = DecoderShape.of(config, DEFAULTS);
        return shape.activation() == Activation.GELU ? shape.withActivation(Activation.GELU_TANH) : shape;
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("GemmaForCausalLM", "GemmaForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(Map.of("pad_token_id", 0, "max_position_embeddings", 8192));
            return new GemmaForCausalLM(complete, shape(complete), weights);
        }
    }
}
