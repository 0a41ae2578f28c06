package org.finetune4j.model.architecture;

import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.Activation;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.Initialization;

/**
 * What the configuration of an encoder of BERT's shape says, checked.
 *
 * @param embedded the length of a token's vector, which a projection brings to {@code hidden} where it is another
 * @param types how many kinds of tokens are told apart, 0 for none
 * @param firstPosition the row of the table of positions that a sequence begins with
 * @param dropoutAfterAttention what of attention's output is dropped before it joins the stream
 */
record BertShape(
        int vocabulary,
        int embedded,
        int hidden,
        int inner,
        int layers,
        int types,
        Attention attention,
        Activation activation,
        double epsilon,
        int firstPosition,
        int maxPositions,
        double dropout,
        double dropoutAfterAttention,
        double classifierDropout,
        Initialization initialization) {

    /** The shape by BERT's keys. */
    static BertShape of(ModelConfig config, int embedded, int firstPosition) {
        config.refuse(Set.of("quantization_config"));
        config.require("is_decoder", false);
        config.require("add_cross_attention", false);
        String positions = config.text("position_embedding_type", "absolute");
        if (!positions.equals("absolute")) {
            throw new UserErrorException(config.origin() + ": 'position_embedding_type': '" + positions
                    + "' is not implemented for " + config.architecture() + ", expected absolute");
        }
        double dropout = config.number("hidden_dropout_prob", 0.1);
        return new BertShape(
                config.positive("vocab_size"),
                embedded,
                config.positive("hidden_size"),
                config.positive("intermediate_size"),
                config.positive("num_hidden_layers"),
                config.positive("type_vocab_size", 2),
                attention(config, "hidden_size", "num_attention_heads", "attention_probs_dropout_prob"),
                Activation.named(config.text("hidden_act", "gelu")),
                config.number("layer_norm_eps", 1e-12),
                firstPosition,
                config.positive("max_position_embeddings", 512),
                dropout,
                dropout,
                config.number("classifier_dropout", dropout),
                new Initialization.Normal(config.number("initializer_range", 0.02)));
    }

    /** Attention whose heads share out the hidden size, by the keys that a family has for them. */
    static Attention attention(ModelConfig config, String hiddenKey, String headsKey, String dropoutKey) {
        int heads = config.positive(headsKey);
        int headDim = config.headDim(hiddenKey, headsKey);
        return new Attention(heads, heads, headDim, 1 / Math.sqrt(headDim), config.number(dropoutKey, 0.1));
    }
}
