package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.Weights;

/** ERNIE 4.5 (Baidu 2025), the dense ones: Llama whose neighbours turn together. */
public final class Ernie4_5ForCausalLM extends RotaryDecoder {

    private static final DecoderShape.Defaults DEFAULTS = new DecoderShape.Defaults("hidden_act", "silu", true, 0);

    private static final Map<String, Number> VALUES = Map.of(
            "num_key_value_heads", 2,
            "head_dim", 128,
            "max_position_embeddings", 131_072,
            "rms_norm_eps", 1e-5,
            "rope_theta", 500_000,
            "pad_token_id", 0);

    private Ernie4_5ForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
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
        boolean bias = config.flag("use_bias", false);
        return new PreNormLayer(
                weights,
                shape.hidden(),
                shape.rmsNorm(),
                shape.selfAttention(weights.at("self_attn"), kind, Style.biased(bias), index),
                "mlp",
                shape.gatedFeedForward(weights.at("mlp"), bias),
                0);
    }

    /** transformers drops nothing of this architecture's attention, whatever {@code attention_dropout} is. */
    private static DecoderShape shape(ModelConfig config) {
        DecoderShape shape = DecoderShape.of(config, DEFAULTS);
        Attention attention = shape.attention();
        return shape.withAttention(
                new Attention(attention.heads(), attention.kvHeads(), attention.headDim(), attention.scale(), 0));
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("Ernie4_5ForCausalLM", "Ernie4_5ForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(VALUES);
            return new Ernie4_5ForCausalLM(complete, shape(complete), weights);
        }
    }
}
