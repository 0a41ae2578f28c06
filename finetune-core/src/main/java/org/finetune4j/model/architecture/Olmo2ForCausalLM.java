package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.Weights;

/**
 * OLMo 2 (OLMo team 2024): Llama whose blocks read the stream as it is and whose outputs are normalised before they join
 * it; queries and keys are normalised over all heads at once.
 */
public final class Olmo2ForCausalLM extends RotaryDecoder {

    private Olmo2ForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.full(shape.layers()),
                shape.rotary(config),
                shape.rmsNorm(),
                (at, index, kind) -> new OlmoLayer(config, shape, at, index, kind));
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("Olmo2ForCausalLM", "Olmo2ForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(Map.of("rms_norm_eps", 1e-5, "pad_token_id", 1));
            return new Olmo2ForCausalLM(complete, DecoderShape.of(complete), weights);
        }
    }
}
