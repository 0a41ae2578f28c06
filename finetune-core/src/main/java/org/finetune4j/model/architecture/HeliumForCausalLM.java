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

/** Helium 1 (Kyutai 2025): Llama whose neighbours turn together. */
public final class HeliumForCausalLM extends RotaryDecoder {

    private static final Map<String, Number> VALUES = Map.of(
            "num_key_value_heads", 20,
            "head_dim", 128,
            "max_position_embeddings", 4096,
            "rms_norm_eps", 1e-8,
            "rope_theta", 100_000,
            "pad_token_id", 3);

    private HeliumForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.full(shape.layers()),
                shape.rotary(config).ofNeighbours(),
                shape.rmsNorm(),
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        return new PreNormLayer(
                weights,
                shape.hidden(),
                shape.rmsNorm(),
                shape.selfAttention(
                        weights.at("self_attn"),
                        kind,
                        new Style(config.flag("attention_bias", false), false, null),
                        index),
                "mlp",
                shape.gatedFeedForward(weights.at("mlp"), config.flag("mlp_bias", false)),
                0);
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("HeliumForCausalLM", "HeliumForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(VALUES);
            return new HeliumForCausalLM(complete, DecoderShape.of(complete), weights);
        }
    }
}
