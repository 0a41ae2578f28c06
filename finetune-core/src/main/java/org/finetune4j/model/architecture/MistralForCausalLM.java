package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.Weights;

/** Mistral (Jiang et al. 2023): Llama whose layers see a window of tokens. */
public final class MistralForCausalLM extends RotaryDecoder {

    private MistralForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.isUnlimited(config)
                        ? LayerTypes.full(shape.layers())
                        : LayerTypes.sliding(shape.layers(), LayerTypes.window(config)),
                shape.rotary(config),
                shape.rmsNorm(),
                (at, index, kind) -> layer(shape, at, index, kind));
    }

    private static DecoderLayer layer(DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        return new PreNormLayer(
                weights,
                shape.hidden(),
                shape.rmsNorm(),
                shape.selfAttention(weights.at("self_attn"), kind, Style.biased(false), index),
                "mlp",
                shape.gatedFeedForward(weights.at("mlp"), false),
                0);
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("MistralForCausalLM", "MistralForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(Map.of("max_position_embeddings", 131_072));
            return new MistralForCausalLM(complete, DecoderShape.of(complete), weights);
        }
    }
}
