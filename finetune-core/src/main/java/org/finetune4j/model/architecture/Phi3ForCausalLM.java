package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.RotaryConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.FusedGatedFeedForward;
import org.finetune4j.nn.FusedRotaryAttention;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.Weights;

/** Phi 3 and 4 (Abdin et al. 2024): Llama with fused projections, part of each head rotated, two sets of speeds. */
public final class Phi3ForCausalLM extends RotaryDecoder {

    private static final Map<String, Number> DEFAULTS = Map.of(
            "rms_norm_eps",
            1e-5,
            "pad_token_id",
            32_000,
            "max_position_embeddings",
            4096,
            "original_max_position_embeddings",
            4096);

    private Phi3ForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.slidingEverywhere(config, shape.layers()),
                RotaryConfig.ofPart(config, shape.attention().headDim(), "rope_theta", "partial_rotary_factor", 1),
                shape.rmsNorm(),
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        FusedRotaryAttention attention = new FusedRotaryAttention(
                weights.at("self_attn"),
                shape.hidden(),
                shape.attention().withKind(kind),
                false,
                index,
                shape.initialization());
        FusedGatedFeedForward feedForward = new FusedGatedFeedForward(
                weights.at("mlp"),
                shape.hidden(),
                shape.intermediate(),
                false,
                shape.activation(),
                shape.initialization());
        double dropout = config.number("resid_pdrop", 0);
        return new PreNormLayer(weights, shape.hidden(), shape.rmsNorm(), attention, "mlp", feedForward, dropout);
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("Phi3ForCausalLM", "Phi3ForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            config.require("attention_bias", false);
            config.require("mlp_bias", false);
            config.require("lm_head_bias", false);
            // transformers reads this key and drops nothing from the embeddings; other implementations do.
            config.requireZero("embd_pdrop");
            ModelConfig complete = config.withDefaults(DEFAULTS);
            return new Phi3ForCausalLM(complete, DecoderShape.of(complete), weights);
        }
    }
}
