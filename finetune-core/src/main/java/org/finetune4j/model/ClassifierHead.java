package org.finetune4j.model;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.finetune4j.InputFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.jspecify.annotations.Nullable;

/**
 * What a classifier of sequences tells apart.
 *
 * @param labels their names in the order of the outputs, {@code id2label} in a configuration
 * @param problemType {@code single_label_classification}, {@code multi_label_classification}, {@code regression}, or null
 *     where the configuration is not to say
 */
public record ClassifierHead(List<String> labels, @Nullable String problemType) {

    /** The file beside a classifier's adapter that says its labels. Called config.json, transformers would look for a model. */
    public static final String BESIDE_ADAPTER = "classifier_config.json";

    /** How the name of the weight ends that has a row for each label. */
    private static final List<String> OUTPUTS =
            List.of(".score.weight", ".classifier.weight", ".classifier.out_proj.weight");

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

    /**
     * What the model of an adapter told apart when it was trained, so that the adapter's base can be loaded as such a one.
     *
     * @param adapter directory of the adapter
     * @return the head, or empty where the adapter is none of a classifier
     * @throws UserErrorException when a file cannot be read
     */
    public static Optional<ClassifierHead> ofAdapter(Path adapter) {
        Path own = adapter.resolve(BESIDE_ADAPTER);
        if (Files.isRegularFile(own)) {
            ModelConfig config = ModelConfig.parse(InputFiles.text(own), own.toString());
            String problem = config.text(ProblemType.KEY, "");
            return Optional.of(new ClassifierHead(config.labelNames(), problem.isEmpty() ? null : problem));
        }
        Path settings = adapter.resolve(AdapterDirectory.CONFIG);
        if (!Files.isRegularFile(settings)
                || !InputFiles.jsonObject(settings).path("task_type").asText().equals("SEQ_CLS")) {
            return Optional.empty();
        }
        // PEFT does not say the names, but the head has a row for each.
        try (SafetensorsFile file = SafetensorsFile.open(adapter.resolve(AdapterDirectory.WEIGHTS))) {
            return file.names().stream()
                    .filter(name -> OUTPUTS.stream().anyMatch(name::endsWith))
                    .findFirst()
                    .map(name -> of(Math.toIntExact(file.info(name).shape()[0])));
        }
    }

    /** The configuration with this head. As many labels keep their names where these would only replace better ones. */
    ModelConfig appliedTo(ModelConfig config) {
        boolean asMany = config.isSequenceClassifier() && config.labels() == labels.size();
        boolean saysNoNames = labels.equals(of(labels.size()).labels);
        List<String> names = asMany && saysNoNames ? config.labelNames() : labels;
        boolean isSaid = asMany
                && names.equals(config.labelNames())
                && (problemType == null || problemType.equals(config.text(ProblemType.KEY, "")));
        return isSaid
                ? config
                : config.withHead(Architecture.classifierOf(config), new ClassifierHead(names, problemType));
    }
}
