package org.finetune4j.model.architecture;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.RotaryConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.PositionScale;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.Weights;

/** Ministral 3 (Mistral AI 2025): Mistral whose rotation yarn stretches, with queries that grow with their positions. */
public final class Ministral3ForCausalLM extends RotaryDecoder {

    private static final String PARAMETERS = "rope_parameters";
    private static final String BETA = "llama_4_scaling_beta";
    private static final String CONTEXT = "original_max_position_embeddings";

    /** What the scaling says besides its type's settings; the whole length is only repeated there. */
    private static final Set<String> OWN = Set.of(BETA, CONTEXT, "max_position_embeddings");

    private static final Map<String, Object> VALUES = Map.of(
            "num_key_value_heads", 8,
            "head_dim", 128,
            "max_position_embeddings", 262_144,
            "rms_norm_eps", 1e-5,
            "pad_token_id", 11);

    private static final Map<String, Object> ROTATION = Map.of(
            "type",
            "yarn",
            "rope_theta",
            1e6,
            "factor",
            16.0,
            CONTEXT,
            16_384,
            "beta_fast",
            32.0,
            "beta_slow",
            1.0,
            "mscale_all_dim",
            1.0,
            "mscale",
            1.0,
            BETA,
            0.1);

    private Ministral3ForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.slidingEverywhere(config, shape.layers()),
                RotaryConfig.of(config, shape.attention().headDim(), OWN),
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
                        weights.at("self_attn"), kind, Style.biased(false).scaledBy(scale(config)), index),
                "mlp",
                shape.gatedFeedForward(weights.at("mlp"), false),
                0);
    }

    /** The growth of queries, which the settings of the rotation have among them. */
    private static PositionScale scale(ModelConfig config) {
        String key = config.has(PARAMETERS) ? PARAMETERS : "rope_scaling";
        JsonNode beta = config.node(key).path(BETA);
        JsonNode context = config.node(key).path(CONTEXT);
        if (!beta.isNumber()) {
            throw config.invalid(key, "an object with the number '" + BETA + "'");
        }
        return new PositionScale(beta.asDouble(), context.asDouble(config.positive("max_position_embeddings")));
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("Ministral3ForCausalLM", "Ministral3ForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(VALUES);
            ModelConfig rotating = complete.has(PARAMETERS) || complete.has("rope_scaling")
                    ? complete
                    : complete.withDefaults(Map.of(PARAMETERS, ROTATION));
            return new Ministral3ForCausalLM(rotating, DecoderShape.of(rotating), weights);
        }
    }
}
