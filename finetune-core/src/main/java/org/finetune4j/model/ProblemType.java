package org.finetune4j.model;

import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;

/** What the outputs of a classifier of sequences mean, {@code problem_type} in a model's configuration. */
public enum ProblemType {
    /** One class of several. */
    SINGLE_LABEL_CLASSIFICATION,
    /** Labels of which several can hold at once, or none. */
    MULTI_LABEL_CLASSIFICATION,
    /** Numbers. */
    REGRESSION;

    /** The key in configurations. */
    public static final String KEY = "problem_type";

    /** {@return what a model's configuration calls it} */
    public String configName() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** {@return all that configurations may say} */
    public static List<String> names() {
        return Stream.of(values()).map(ProblemType::configName).toList();
    }

    /**
     * {@return the type of this name, or empty}
     *
     * @param name as in a configuration
     */
    public static Optional<ProblemType> named(String name) {
        return Stream.of(values())
                .filter(known -> known.configName().equals(name))
                .findFirst();
    }

    /**
     * What a classifier's configuration says; without a word in it one output is a number and several are classes, as
     * transformers trains them.
     *
     * @param config of a classifier of sequences
     * @return what its outputs mean
     * @throws UserErrorException when the configuration names none of these
     */
    public static ProblemType of(ModelConfig config) {
        String name = config.text(KEY, "");
        if (name.isEmpty()) {
            return config.labels() == 1 ? REGRESSION : SINGLE_LABEL_CLASSIFICATION;
        }
        return named(name).orElseThrow(() -> config.invalid(KEY, String.join(", ", names())));
    }
}
