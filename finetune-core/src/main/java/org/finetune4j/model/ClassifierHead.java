package org.finetune4j.model;

import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * What a classifier of sequences tells apart.
 *
 * @param labels their names in the order of the outputs, {@code id2label} in a configuration
 * @param problemType {@code single_label_classification}, {@code multi_label_classification}, {@code regression}, or null
 *     where the configuration is not to say
 */
public record ClassifierHead(List<String> labels, @Nullable String problemType) {

    /**
     * Refuses a head without labels, and a name that stands for two.
     *
     * @param labels their names in the order of the outputs
     * @param problemType as transformers calls it, or null
     * @throws UserErrorException when there is no label, or one occurs twice
     */
    public ClassifierHead {
        labels = List.copyOf(labels);
        if (labels.isEmpty()) {
            throw new UserErrorException("a classifier needs at least one label");
        }
        if (labels.stream().distinct().count() < labels.size()) {
            throw new UserErrorException("a label of the classifier occurs twice among " + labels);
        }
    }

    /**
     * {@return a head whose labels are called as transformers calls new ones, {@code LABEL_0} and so on}
     *
     * @param labels at least 1
     */
    public static ClassifierHead of(int labels) {
        return new ClassifierHead(
                IntStream.range(0, labels).mapToObj(i -> "LABEL_" + i).toList(), null);
    }

    /** Whether a configuration says the same already, or new names for as many labels would only replace better ones. */
    boolean describes(ModelConfig config) {
        boolean asMany = config.isSequenceClassifier() && config.labels() == labels.size();
        return asMany && (equals(of(labels.size())) || Objects.equals(config.labelNames(), labels));
    }
}
