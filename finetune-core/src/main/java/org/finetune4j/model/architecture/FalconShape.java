package org.finetune4j.model.architecture;

import java.util.Set;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.RotaryConfig;
import org.finetune4j.nn.Activation;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.FusedRotaryAttention.Layout;
import org.finetune4j.nn.Initialization;
import org.finetune4j.nn.RotaryEmbedding;

/**
 * What a configuration of Falcon says, checked.
 *
 * @param layout how queries, keys and values lie in their projection
 * @param norms how the norms of a layer are applied
 */
record FalconShape(
        int vocabulary,
        int hidden,
        int inner,
        int layers,
        Attention attention,
        Layout layout,
        Norms norms,
        boolean bias,
        Activation activation,
        double epsilon,
        boolean tied,
        int maxPositions,
        RotaryEmbedding rotary,
        Initialization initialization) {

    /** How the norms of a layer are applied. */
    enum Norms {
        /** {@code input_layernorm} before both blocks, which lie side by side. */
        SHARED,
        /** {@code ln_attn} and {@code ln_mlp} before blocks that lie side by side. */
        OWN,
        /** {@code input_layernorm} and {@code post_attention_layernorm} before blocks that follow each other. */
        IN_TURN
    }

    static FalconShape of(ModelConfig config) {
        config.refuse(Set.of("quantization_config", "n_embed"));
        config.require("alibi", false);
        config.requireZero("hidden_dropout");
        config.requireZero("attention_dropout");
        int hidden = config.positive("hidden_size");
        int heads = config.positive("num_attention_heads");
        int headDim = config.headDim("hidden_size", "num_attention_heads");
        boolean isNew = config.flag("new_decoder_architecture", false);
        boolean isShared = !isNew && config.flag("multi_query", true);
        int kvHeads = isNew ? kvHeads(config, heads) : isShared ? 1 : heads;
        return new FalconShape(
                config.positive("vocab_size"),
                hidden,
                config.positive("ffn_hidden_size", 4 * hidden),
                config.positive("num_hidden_layers"),
                new Attention(heads, kvHeads, headDim, 1 / Math.sqrt(headDim), 0),
                isShared ? Layout.STACKED : Layout.BY_KEY,
                norms(config, isNew),
                config.flag("bias", false),
                Activation.named(config.text("activation", "gelu")),
                config.number("layer_norm_epsilon", 1e-5),
                config.flag("tie_word_embeddings", true),
                RotaryConfig.maxPositions(config, 2048),
                RotaryConfig.of(config, headDim),
                new Initialization.Normal(config.number("initializer_range", 0.02)));
    }

    /** One process's share of a model says its own number under the name that other families have for it. */
    private static int kvHeads(ModelConfig config, int heads) {
        int kvHeads = config.positive("num_key_value_heads", config.positive("num_kv_heads", heads));
        if (heads % kvHeads != 0) {
            throw config.invalid("num_kv_heads", "a divisor of num_attention_heads " + heads);
        }
        return kvHeads;
    }

    private static Norms norms(ModelConfig config, boolean isNew) {
        boolean parallel = config.flag("parallel_attn", true);
        if (!isNew) {
            return parallel ? Norms.SHARED : Norms.IN_TURN;
        }
        if (!parallel) {
            throw config.invalid("parallel_attn", "true, as new_decoder_architecture is");
        }
        int norms = config.positive("num_ln_in_parallel_attn", 2);
        if (norms > 2) {
            throw config.invalid("num_ln_in_parallel_attn", "1 or 2");
        }
        return norms == 2 ? Norms.OWN : Norms.SHARED;
    }
}
