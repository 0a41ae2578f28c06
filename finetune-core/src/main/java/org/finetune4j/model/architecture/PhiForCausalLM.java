package org.finetune4j.model.architecture;

import java.util.List;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.RotaryConfig;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.LayerNorm;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.PlainFeedForward;
import org.finetune4j.nn.RotaryAttention;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.Weights;

/** Phi 1, 1.5 and 2 (Gunasekar et al. 2023, Li et al. 2023): blocks side by side, biases everywhere, part of each head rotated. */
public final class PhiForCausalLM extends RotaryDecoder {

    private static final DecoderShape.Defaults DEFAULTS = new DecoderShape.Defaults("hidden_act", "gelu_new", false, 0);
    private static final RotaryAttention.Names PARTS = new RotaryAttention.Names("dense", "q_layernorm", "k_layernorm");
    private static final PlainFeedForward.Names PROJECTIONS = new PlainFeedForward.Names("fc1", "fc2");

    private PhiForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.full(shape.layers()),
                RotaryConfig.ofPart(config, shape.attention().headDim(), "rope_theta", "partial_rotary_factor", 0.5),
                norms(config),
                new Ends("final_layernorm", true, config.number("embd_pdrop", 0)),
                (at, index, kind) -> layer(config, shape, at, index, kind));
    }

    private static Norm.Factory norms(ModelConfig config) {
        return LayerNorm.factory(config.number("layer_norm_eps", 1e-5));
    }

    private static DecoderLayer layer(
            ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        RotaryAttention attention = new RotaryAttention(
                weights.at("self_attn"),
                PARTS,
                shape.hidden(),
                shape.attention().withKind(kind),
                new Style(true, true, config.flag("qk_layernorm", false) ? norms(config) : null),
                index,
                shape.initialization());
        PlainFeedForward feedForward = shape.plainFeedForward(weights.at("mlp"), PROJECTIONS, true);
        return new ParallelLayer(
                weights, shape.hidden(), norms(config), attention, feedForward, config.number("resid_pdrop", 0));
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("PhiForCausalLM", "PhiForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            config.require("tie_word_embeddings", false);
            return new PhiForCausalLM(config, DecoderShape.of(config, DEFAULTS), weights);
        }
    }
}
