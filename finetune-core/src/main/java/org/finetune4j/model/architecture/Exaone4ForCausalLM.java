package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.Weights;

/** EXAONE 4 (LG AI Research 2025): blocks read the stream as it is; where some layers see a window, those that see everything do not rotate. */
public final class Exaone4ForCausalLM extends RotaryDecoder {

    private Exaone4ForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                types(config, shape.layers()),
                shape.rotary(config),
                shape.rmsNorm(),
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        boolean rotates = kind == AttentionKind.SLIDING || LayerTypes.isUnlimited(config);
        DecoderShape own =
                rotates ? shape : shape.withAttention(shape.attention().withoutRotation());
        return new OlmoLayer(own, new Style(false, false, shape.rmsNorm()), weights, index, kind);
    }

    /** What {@code layer_types} says, or a window but for every so many layers; none where {@code sliding_window} is null. */
    private static LayerTypes types(ModelConfig config, int layers) {
        boolean unlimited = LayerTypes.isUnlimited(config);
        boolean listed = config.has("layer_types");
        int pattern = unlimited || listed ? 1 : config.positive("sliding_window_pattern", 4);
        LayerTypes types = LayerTypes.of(config, layers, i -> (i + 1) % pattern != 0);
        if (unlimited && types.kinds().contains(AttentionKind.SLIDING)) {
            throw config.invalid("sliding_window", "a number of tokens, as 'layer_types' has sliding_attention");
        }
        return types;
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("Exaone4ForCausalLM", "Exaone4ForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(Map.of("num_key_value_heads", 32, "rms_norm_eps", 1e-5));
            return new Exaone4ForCausalLM(complete, DecoderShape.of(complete), weights);
        }
    }
}
