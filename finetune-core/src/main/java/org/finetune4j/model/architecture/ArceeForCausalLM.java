package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.PlainFeedForward;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.Weights;

/** AFM (Arcee AI 2025): Llama whose feed-forward block has no gate, but the square of relu. */
public final class ArceeForCausalLM extends RotaryDecoder {

    private static final DecoderShape.Defaults DEFAULTS = new DecoderShape.Defaults("hidden_act", "relu2", false, 0);

    private ArceeForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.full(shape.layers()),
                shape.rotary(config),
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
                        weights.at("self_attn"), kind, Style.biased(config.flag("attention_bias", false)), index),
                "mlp",
                shape.plainFeedForward(weights.at("mlp"), PlainFeedForward.Names.USUAL, config.flag("mlp_bias", false)),
                0);
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("ArceeForCausalLM", "ArceeForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(Map.of("rms_norm_eps", 1e-5, "max_position_embeddings", 4096));
            return new ArceeForCausalLM(complete, DecoderShape.of(complete, DEFAULTS), weights);
        }
    }
}
