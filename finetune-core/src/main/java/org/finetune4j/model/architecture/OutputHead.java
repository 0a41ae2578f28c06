package org.finetune4j.model.architecture;

import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.Pooling;
import org.finetune4j.nn.Embedding;
import org.finetune4j.nn.Initialization;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * The last layer of a decoder: over the vocabulary, or {@code score} over the labels of a classifier.
 *
 * @param name its name in the model
 * @param pooling which token the classifier reads, null in a language model
 */
record OutputHead(String name, Linear layer, @Nullable Pooling pooling) {

    /**
     * The head that the configuration's architecture has.
     *
     * @param languageModelName what the layer over the vocabulary is called, usually {@code lm_head}
     * @param hidden size of what it reads
     * @param tied whether that layer's weight is the embedding's; where the checkpoint nevertheless has another one, that
     *     one is taken, as transformers 5 does
     */
    static OutputHead of(
            ModelConfig config,
            Weights weights,
            String languageModelName,
            Embedding embedding,
            long hidden,
            boolean tied,
            Initialization init) {
        if (config.isSequenceClassifier()) {
            return classifier(config, weights, hidden, init);
        }
        Weights own = weights.at(languageModelName);
        Linear layer = tied && !hasAnother(own, embedding.weight())
                ? Linear.tied(embedding.weight())
                : Linear.of(own, hidden, embedding.weight().size(0), false, init);
        return new OutputHead(languageModelName, layer, null);
    }

    /** The same where the layer over the vocabulary has a bias and a weight of its own. */
    static OutputHead withBias(
            ModelConfig config,
            Weights weights,
            String languageModelName,
            Embedding embedding,
            long hidden,
            Initialization init) {
        return config.isSequenceClassifier()
                ? classifier(config, weights, hidden, init)
                : new OutputHead(
                        languageModelName,
                        Linear.of(
                                weights.at(languageModelName),
                                hidden,
                                embedding.weight().size(0),
                                true,
                                init),
                        null);
    }

    private static OutputHead classifier(ModelConfig config, Weights weights, long hidden, Initialization init) {
        Linear score = Linear.of(weights.at("score"), hidden, config.labels(), false, init);
        return new OutputHead("score", score, Pooling.lastExcept(config.padTokenId(), config.origin()));
    }

    /** Whether a checkpoint has an output layer that differs from the embedding it is said to share. */
    private static boolean hasAnother(Weights own, Parameter embedding) {
        if (!own.contains("weight")) {
            return false;
        }
        try (TensorScope scope = TensorScope.open();
                Parameter stored = own.parameter("weight", Initialization.ZEROS, embedding.shape())) {
            return !stored.value().hasValuesOf(embedding.value());
        }
    }
}
