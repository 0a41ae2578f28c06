package org.finetune4j.model.architecture;

import java.util.List;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.Weights;

/** GLM-4 of 2024 (GLM team 2024): Llama with half of each head rotated, neighbours together, and one projection for gate and up. */
public final class GlmForCausalLM extends RotaryDecoder {

    private GlmForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.full(shape.layers()),
                Glm4ForCausalLM.rotary(config, shape),
                shape.rmsNorm(),
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        return new PreNormLayer(
                weights,
                shape.hidden(),
                shape.rmsNorm(),
                shape.selfAttention(weights.at("self_attn"), kind, Glm4ForCausalLM.style(config), index),
                "mlp",
                Glm4ForCausalLM.feedForward(shape, weights),
                0);
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("GlmForCausalLM", "GlmForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(Glm4ForCausalLM.VALUES);
            return new GlmForCausalLM(complete, DecoderShape.of(complete, Glm4ForCausalLM.DEFAULTS), weights);
        }
    }
}
