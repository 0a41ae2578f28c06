package org.finetune4j.model.architecture;

import java.util.Set;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.RotaryConfig;
import org.finetune4j.nn.Activation;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.GatedFeedForward;
import org.finetune4j.nn.Initialization;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.PlainFeedForward;
import org.finetune4j.nn.RmsNorm;
import org.finetune4j.nn.RotaryAttention;
import org.finetune4j.nn.RotaryEmbedding;
import org.finetune4j.nn.Weights;

/** What the configurations of Llama's family say alike, checked. */
record DecoderShape(
        int vocabulary,
        int hidden,
        int intermediate,
        int layers,
        Attention attention,
        Activation activation,
        double epsilon,
        boolean tied,
        int maxPositions,
        Initialization initialization) {

    /** How the family's members differ where a key is missing, and in the activation's key. */
    record Defaults(String activationKey, String activation, boolean tied, int headDim) {

        /** Llama's: {@code hidden_act} is silu, nothing is tied, hidden is divided among the heads. */
        static final Defaults LLAMA = new Defaults("hidden_act", "silu", false, 0);

        /** Llama's for a family whose blocks have an activation of their own, which no key names. */
        static final Defaults OWN_ACTIVATION = new Defaults("", "silu", false, 0);
    }

    static DecoderShape of(ModelConfig config) {
        return of(config, Defaults.LLAMA);
    }

    static DecoderShape of(ModelConfig config, Defaults defaults) {
        config.refuse(Set.of("quantization_config"));
        config.require("rope_interleaved", false);
        config.require("use_bidirectional_attention", false);
        int hidden = config.positive("hidden_size");
        int heads = config.positive("num_attention_heads");
        int kvHeads = config.positive("num_key_value_heads", heads);
        if (heads % kvHeads != 0) {
            throw config.invalid("num_key_value_heads", "a divisor of num_attention_heads " + heads);
        }
        boolean divided = !config.has("head_dim") && defaults.headDim == 0;
        if (divided && hidden % heads != 0) {
            throw config.invalid("hidden_size", "a multiple of num_attention_heads " + heads);
        }
        int headDim = config.positive("head_dim", divided ? hidden / heads : defaults.headDim);
        return new DecoderShape(
                config.positive("vocab_size"),
                hidden,
                config.positive("intermediate_size"),
                config.positive("num_hidden_layers"),
                new Attention(heads, kvHeads, headDim, 1 / Math.sqrt(headDim), config.number("attention_dropout", 0)),
                Activation.named(
                        defaults.activationKey.isEmpty()
                                ? defaults.activation
                                : config.text(defaults.activationKey, defaults.activation)),
                config.number("rms_norm_eps", 1e-6),
                config.flag("tie_word_embeddings", defaults.tied),
                RotaryConfig.maxPositions(config, 2048),
                new Initialization.Normal(config.number("initializer_range", 0.02)));
    }

    DecoderShape withAttention(Attention newAttention) {
        return new DecoderShape(
                vocabulary,
                hidden,
                intermediate,
                layers,
                newAttention,
                activation,
                epsilon,
                tied,
                maxPositions,
                initialization);
    }

    DecoderShape withActivation(Activation newActivation) {
        return new DecoderShape(
                vocabulary,
                hidden,
                intermediate,
                layers,
                attention,
                newActivation,
                epsilon,
                tied,
                maxPositions,
                initialization);
    }

    /** The rotary embedding, in either spelling of the configuration. */
    RotaryEmbedding rotary(ModelConfig config) {
        return RotaryConfig.of(config, attention.headDim());
    }

    /** The block {@code mlp} with its three projections. */
    GatedFeedForward gatedFeedForward(Weights weights, boolean bias) {
        return new GatedFeedForward(weights, hidden, intermediate, bias, activation, initialization);
    }

    /** The block {@code mlp} without a gate. */
    PlainFeedForward plainFeedForward(Weights weights, PlainFeedForward.Names names, boolean bias) {
        return new PlainFeedForward(weights, names, hidden, intermediate, bias, activation, initialization);
    }

    /** The block {@code self_attn} with its four projections, for the layer of this number. */
    RotaryAttention selfAttention(Weights weights, AttentionKind kind, RotaryAttention.Style style, int layer) {
        return new RotaryAttention(weights, hidden, attention.withKind(kind), style, layer, initialization);
    }

    /** The family's norms. */
    Norm.Factory rmsNorm() {
        return RmsNorm.factory(epsilon);
    }
}
