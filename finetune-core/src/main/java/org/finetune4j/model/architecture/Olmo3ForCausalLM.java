package org.finetune4j.model.architecture;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.RotaryConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.RotaryEmbedding;
import org.finetune4j.nn.Weights;

/** OLMo 3 (OLMo team 2025): OLMo 2 whose layers see a window but for every fourth; each kind has its own rotary embedding. */
public final class Olmo3ForCausalLM extends RotaryDecoder {

    private static final double THETA = 500_000;

    private final RotaryEmbedding localRotary;

    private Olmo3ForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.of(config, shape.layers(), i -> (i + 1) % 4 != 0),
                rotary(config, shape, "full_attention", config.number("rope_theta", THETA), true),
                shape.rmsNorm(),
                (at, index, kind) -> new OlmoLayer(config, shape, at, index, kind));
        this.localRotary = rotary(config, shape, "sliding_attention", THETA, false);
    }

    private static RotaryEmbedding rotary(
            ModelConfig config, DecoderShape shape, String type, double theta, boolean scaled) {
        return RotaryConfig.ofLayerType(config, shape.attention().headDim(), type, theta, scaled);
    }

    /**
     * One base for both kinds, as transformers 4 wrote it, is that of full attention alone in transformers 5, and settings that
     * are not below a kind are nobody's there: neither is guessed.
     */
    private static void requireKinds(ModelConfig config) {
        JsonNode parameters = config.node("rope_parameters");
        parameters.fieldNames().forEachRemaining(key -> {
            if (!key.equals("full_attention") && !key.equals("sliding_attention")) {
                throw config.invalid("rope_parameters", "an object with full_attention and sliding_attention");
            }
        });
        if (config.number("rope_theta", THETA) != THETA && !parameters.has("sliding_attention")) {
            throw new UserErrorException(config.origin() + ": 'rope_theta': " + config.node("rope_theta")
                    + " is not implemented for " + config.architecture()
                    + ", whose kinds of layers have bases of their own: write 'rope_parameters' with full_attention and"
                    + " sliding_attention");
        }
    }

    @Override
    public RotaryEmbedding rotaryEmbedding(AttentionKind kind) {
        return kind == AttentionKind.SLIDING ? localRotary : super.rotaryEmbedding(kind);
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("Olmo3ForCausalLM", "Olmo3ForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            requireKinds(config);
            ModelConfig complete = config.withDefaults(Map.of("rms_norm_eps", 1e-5, "pad_token_id", 1));
            return new Olmo3ForCausalLM(complete, DecoderShape.of(complete), weights);
        }
    }
}
