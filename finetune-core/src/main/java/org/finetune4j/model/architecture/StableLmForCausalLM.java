package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.RotaryConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.GatedFeedForward;
import org.finetune4j.nn.LayerNorm;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.PerHeadNorms;
import org.finetune4j.nn.RotaryAttention;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.Weights;

/** StableLM 2 and 3B (Bellagente et al. 2024): Llama with LayerNorm and part of each head rotated, blocks in turn or side by side. */
public final class StableLmForCausalLM extends RotaryDecoder {

    private static final RotaryAttention.Names PARTS =
            new RotaryAttention.Names("o_proj", "q_layernorm", "k_layernorm");

    private StableLmForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.full(shape.layers()),
                RotaryConfig.ofPart(config, shape.attention().headDim(), "rope_theta", "partial_rotary_factor", 0.25),
                norms(config),
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static Norm.Factory norms(ModelConfig config) {
        return LayerNorm.factory(epsilon(config));
    }

    private static double epsilon(ModelConfig config) {
        return config.number("layer_norm_eps", 1e-5);
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        Style style = new Style(
                config.flag("use_qkv_bias", false),
                false,
                config.flag("qk_layernorm", false)
                        ? PerHeadNorms.factory(shape.attention().headDim(), epsilon(config))
                        : null,
                true);
        RotaryAttention attention = new RotaryAttention(
                weights.at("self_attn"),
                PARTS,
                shape.hidden(),
                shape.attention().withKind(kind),
                style,
                index,
                shape.initialization());
        GatedFeedForward feedForward = shape.gatedFeedForward(weights.at("mlp"), false);
        return new StableLmLayer(
                weights,
                shape.hidden(),
                norms(config),
                attention,
                feedForward,
                config.flag("use_parallel_residual", false),
                config.number("hidden_dropout", 0));
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("StableLmForCausalLM", "StableLmForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete =
                    config.withDefaults(Map.of("num_key_value_heads", 32, "max_position_embeddings", 4096));
            return new StableLmForCausalLM(complete, DecoderShape.of(complete), weights);
        }
    }
}
