package org.finetune4j.model.architecture;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.Pooling;
import org.finetune4j.model.RotaryConfig;
import org.finetune4j.nn.Activation;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.Initialization;
import org.finetune4j.nn.LayerNorm;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.RotaryEmbedding;

/**
 * What a configuration of ModernBERT says, checked.
 *
 * @param types which layers see a window only, and how far it reaches
 * @param global the rotary embedding of the others
 * @param local that of those with a window
 * @param attentionBias whether the projections of attention have biases
 * @param feedForwardBias whether those of the feed-forward blocks have
 * @param headBias whether the dense layer of the head has
 * @param headActivation what follows that layer
 * @param headInitialization what a new dense layer of the head starts with
 */
record ModernBertShape(
        int vocabulary,
        int hidden,
        int inner,
        int layers,
        LayerTypes types,
        Attention attention,
        RotaryEmbedding global,
        RotaryEmbedding local,
        Activation activation,
        Norm.Factory norms,
        boolean attentionBias,
        boolean feedForwardBias,
        boolean headBias,
        Activation headActivation,
        Pooling pooling,
        int maxPositions,
        double embeddingDropout,
        double feedForwardDropout,
        double classifierDropout,
        Initialization initialization,
        Initialization headInitialization) {

    private static final String FULL = "full_attention";
    private static final String SLIDING = "sliding_attention";

    static ModernBertShape of(ModelConfig config) {
        // transformers takes the latter for half of local_attention.
        config.refuse(Set.of("quantization_config", "sliding_window"));
        refuseRotationOfAll(config);
        int hidden = config.positive("hidden_size");
        int heads = config.positive("num_attention_heads");
        int headDim = config.headDim("hidden_size", "num_attention_heads");
        int layers = config.positive("num_hidden_layers");
        int every = config.positive("global_attn_every_n_layers", 3);
        double epsilon = config.number("norm_eps", 1e-5);
        double deviation = config.number("initializer_range", 0.02);
        return new ModernBertShape(
                config.positive("vocab_size"),
                hidden,
                config.positive("intermediate_size"),
                layers,
                LayerTypes.of(config, layers, i -> i % every != 0, ModernBertShape::window),
                new Attention(heads, heads, headDim, 1 / Math.sqrt(headDim), config.number("attention_dropout", 0)),
                rotation(config, headDim, FULL, "global_rope_theta", 160_000),
                rotation(config, headDim, SLIDING, "local_rope_theta", 10_000),
                Activation.named(config.text("hidden_activation", "gelu")),
                config.flag("norm_bias", false) ? LayerNorm.factory(epsilon) : LayerNorm.withoutBiasFactory(epsilon),
                config.flag("attention_bias", false),
                config.flag("mlp_bias", false),
                config.flag("classifier_bias", false),
                Activation.named(config.text("classifier_activation", "gelu")),
                pooling(config),
                RotaryConfig.maxPositions(config, 8192),
                config.number("embedding_dropout", 0),
                config.number("mlp_dropout", 0),
                config.number("classifier_dropout", 0),
                new Initialization.Normal(deviation),
                new Initialization.Normal(deviation / Math.sqrt(2.0 * layers)));
    }

    /** {@code local_attention} counts both sides of a token, which sees half of it on each and itself. */
    private static int window(ModelConfig config) {
        return config.positive("local_attention", 128) / 2 + 1;
    }

    private static RotaryEmbedding rotation(
            ModelConfig config, int headDim, String layerType, String thetaKey, double theta) {
        // One transformers took the other kind's base for null, the next one fails.
        if (config.node(thetaKey).isNull()) {
            throw config.invalid(thetaKey, "a number, or no such key");
        }
        return RotaryConfig.ofLayerType(config, headDim, layerType, config.number(thetaKey, theta), true);
    }

    /** What is meant for all layers at once has no place among the settings of each kind, and transformers refuses it. */
    private static void refuseRotationOfAll(ModelConfig config) {
        JsonNode parameters = config.node("rope_parameters");
        parameters.fieldNames().forEachRemaining(name -> {
            if (!List.of(FULL, SLIDING).contains(name)) {
                throw config.invalid("rope_parameters", "the settings of " + FULL + " and of " + SLIDING);
            }
        });
    }

    private static Pooling pooling(ModelConfig config) {
        String kind = config.text("classifier_pooling", "cls");
        return switch (kind) {
            case "cls" -> Pooling.first();
            case "mean" -> Pooling.mean();
            default ->
                throw new UserErrorException(config.origin() + ": 'classifier_pooling': '" + kind
                        + "' is not implemented, expected cls or mean");
        };
    }
}
