package org.finetune4j.strategy;

import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import org.finetune4j.nn.Parameter;

/**
 * A method on a model: owns what it added. Closing takes it off again and leaves the model as it was, but for weights of its
 * own that were trained. Any other use after that is an {@link IllegalStateException} before a file is touched.
 */
public interface AttachedStrategy extends AutoCloseable {

    /** {@return what the optimizer changes, each once} */
    Collection<Parameter> trainableParameters();

    /** {@return what {@link #save} writes beside the model's own: what trains, and what the method has drawn and keeps as it is} */
    default Collection<Parameter> savedParameters() {
        return trainableParameters();
    }

    /** {@return what the training loop does for this method besides following gradients} */
    default TrainingHooks trainingHooks() {
        return TrainingHooks.NONE;
    }

    /**
     * Writes a model directory or an adapter directory. Nothing is rounded, so that {@link #restore} brings back exactly
     * these values.
     *
     * @param directory to write into
     */
    void save(Path directory);

    /**
     * Writes what this method gives its user for use, not for going on: a model in the dtype it came in, an adapter in its
     * public format.
     *
     * @param directory to write into
     * @throws org.finetune4j.UserErrorException when it cannot be written
     */
    default void export(Path directory) {
        save(directory);
    }

    /**
     * Reads back what {@link #save} wrote, into parameters that are already attached.
     *
     * @param directory where {@link #save} wrote
     * @throws org.finetune4j.UserErrorException when it was written for another model or with other settings
     */
    void restore(Path directory);

    @Override
    void close();

    /**
     * Nothing at all: a model that is only measured.
     *
     * @return no parameter trains, and there is nothing to save or to close
     */
    static AttachedStrategy none() {
        return new AttachedStrategy() {
            @Override
            public Collection<Parameter> trainableParameters() {
                return List.of();
            }

            @Override
            public void save(Path directory) {
                throw new IllegalStateException("there is nothing to save");
            }

            @Override
            public void restore(Path directory) {
                throw new IllegalStateException("there is nothing to restore");
            }

            @Override
            public void close() {}
        };
    }
}
