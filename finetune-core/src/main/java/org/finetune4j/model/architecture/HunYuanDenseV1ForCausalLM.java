package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.RotaryConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.RotaryAttention;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.Weights;

/** HunYuan (Tencent 2025), the dense ones: Llama whose queries and keys are normalised head by head after they are rotated. */
public final class HunYuanDenseV1ForCausalLM extends RotaryDecoder {

    private static final RotaryAttention.Names PARTS =
            new RotaryAttention.Names("o_proj", "query_layernorm", "key_layernorm");

    /** What the checkpoints' {@code dynamic} scaling says: a larger base, and settings of yarn that nothing reads. */
    private static final Set<String> OWN = Set.of("alpha", "beta_fast", "beta_slow", "mscale", "mscale_all_dim");

    private HunYuanDenseV1ForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.full(shape.layers()),
                RotaryConfig.of(config, shape.attention().headDim(), OWN),
                shape.rmsNorm(),
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        boolean bias = config.flag("attention_bias", false);
        Style style = new Style(bias, bias, shape.rmsNorm());
        return new PreNormLayer(
                weights,
                shape.hidden(),
                shape.rmsNorm(),
                new RotaryAttention(
                        weights.at("self_attn"),
                        PARTS,
                        shape.hidden(),
                        shape.attention().withKind(kind),
                        style.rotatingFirst(),
                        index,
                        shape.initialization()),
                "mlp",
                shape.gatedFeedForward(weights.at("mlp"), false),
                0);
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("HunYuanDenseV1ForCausalLM", "HunYuanDenseV1ForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(Map.of("rms_norm_eps", 1e-5, "pad_token_id", 0));
            return new HunYuanDenseV1ForCausalLM(complete, DecoderShape.of(complete), weights);
        }
    }
}
