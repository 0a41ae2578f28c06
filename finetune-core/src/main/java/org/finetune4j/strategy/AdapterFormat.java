package org.finetune4j.strategy;

import java.nio.file.Files;
import java.nio.file.Path;
import org.finetune4j.Services;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;

/** Reads adapters of one kind from their directory. Implementations are named in {@code META-INF/services}. */
public interface AdapterFormat {

    /**
     * {@return whether the directory holds an adapter of this kind}
     *
     * @param directory with the files of one adapter
     */
    boolean accepts(Path directory);

    /**
     * {@return whether the mean of several adapters' parameters stands between them, as the mean of several models' weights
     * does} It does not where parameters are factors of a product that every training turns in its own way.
     */
    default boolean parametersAverage() {
        return false;
    }

    /**
     * The method that makes adapters with a stored one's settings.
     *
     * @param directory with the files of one adapter
     * @return the method
     * @throws UserErrorException when a file is missing or broken
     */
    FineTuningStrategy method(Path directory);

    /**
     * Puts a stored adapter onto a model.
     *
     * @param model the base model that the adapter was made for
     * @param directory with the files of one adapter
     * @param trainable whether its parameters are to train on
     * @return the adapter
     * @throws UserErrorException when a file is missing or broken, or the adapter was made for another base model
     */
    Adapter attach(CausalLM model, Path directory, boolean trainable);

    /**
     * Makes room on a model for adapters of this kind that rows of one batch use side by side.
     *
     * @param model the base model, without an enabled adapter
     * @return the pool, which the caller closes before the model
     * @throws UserErrorException when adapters of this kind cannot be used side by side
     */
    default RowAdapterPool pool(CausalLM model) {
        throw new UserErrorException(
                "adapters of this kind cannot be used side by side: only those can that add to linear"
                        + " layers, as LoRA does");
    }

    /**
     * Puts the adapter of {@code directory} onto {@code model}, whatever kind it is.
     *
     * @param model the base model that the adapter was made for
     * @param directory with the files of one adapter
     * @param trainable whether its parameters are to train on
     * @return the adapter
     * @throws UserErrorException when there is none, or it is of no kind that is known
     */
    static Adapter load(CausalLM model, Path directory, boolean trainable) {
        try (CausalLM.Entry open = model.keepOpen()) {
            return of(directory).attach(model, directory, trainable);
        }
    }

    /**
     * What reads the adapter of {@code directory}.
     *
     * @param directory with the files of one adapter
     * @return the format
     * @throws UserErrorException when there is none, or it is of no kind that is known
     */
    static AdapterFormat of(Path directory) {
        if (!Files.isDirectory(directory)) {
            throw new UserErrorException("no adapter directory " + directory);
        }
        for (AdapterFormat format : Services.of(AdapterFormat.class)) {
            if (format.accepts(directory)) {
                return format;
            }
        }
        throw new UserErrorException(
                directory + ": no adapter that can be read: expected adapter_config.json with a known peft_type");
    }
}
