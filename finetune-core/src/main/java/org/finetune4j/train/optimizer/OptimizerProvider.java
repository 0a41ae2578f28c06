package org.finetune4j.train.optimizer;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import org.finetune4j.Services;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Parameter;

/** Makes one kind of optimizer. Implementations are named in {@code META-INF/services}: a new one is one new file. */
public interface OptimizerProvider {

    /** {@return the names in configurations, transformers' where it has the optimizer; the first one is shown} */
    List<String> names();

    /**
     * An optimizer of these parameters.
     *
     * @param groups every trainable parameter once
     * @param tables those among them that are token embeddings or the output layer, which some methods treat apart
     * @param options the settings
     * @return the optimizer
     * @throws UserErrorException when a setting cannot be used
     */
    Optimizer create(List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options);

    /**
     * Whether every element is updated by itself, whatever the parameter's shape and its other elements: then several ranks can
     * update consecutive elements of it each, and states have the parameter's shape.
     *
     * @return false where it needs whole parameters
     */
    default boolean isElementwise() {
        return false;
    }

    /**
     * Bytes of state that a float32 parameter of this shape has, for the memory plan.
     *
     * @param shape of the parameter
     * @param isTable whether it is a token embedding or the output layer
     * @param options the settings
     * @return the number of bytes
     */
    long stateBytes(long[] shape, boolean isTable, OptimizerOptions options);

    /**
     * How much of all states is in memory at one time, for the memory plan.
     *
     * @param stateBytes bytes of the states of all parameters
     * @param options the settings
     * @return the number of bytes
     */
    default long residentBytes(long stateBytes, OptimizerOptions options) {
        return stateBytes;
    }

    /**
     * {@return where states that are kept in files go, or empty where they are in memory}
     *
     * @param options the settings
     */
    default Optional<Path> stateDirectory(OptimizerOptions options) {
        return Optional.empty();
    }

    /** {@return all optimizers on the class path} */
    static List<OptimizerProvider> all() {
        return Services.of(OptimizerProvider.class);
    }

    /**
     * The optimizer that {@code optim} names.
     *
     * @param name one of {@link #names()} of a provider
     * @return the provider
     * @throws UserErrorException for another name, with the nearest valid one
     */
    static OptimizerProvider named(String name) {
        String wanted = name.toLowerCase(Locale.ROOT);
        List<OptimizerProvider> all = all();
        return all.stream()
                .filter(provider -> provider.names().stream().anyMatch(wanted::equalsIgnoreCase))
                .findFirst()
                .orElseThrow(() -> new UserErrorException("unknown optimizer '" + name + "'"
                        + Suggestions.among(
                                wanted,
                                all.stream()
                                        .flatMap(provider -> provider.names().stream())
                                        .toList())));
    }

    /**
     * Bytes of a float32 tensor of this shape.
     *
     * @param shape the length of every dimension
     * @return the number
     */
    static long floatBytes(long... shape) {
        long bytes = Float.BYTES;
        for (long length : shape) {
            bytes *= length;
        }
        return bytes;
    }
}
