package org.finetune4j.train;

import java.nio.file.Path;
import org.finetune4j.UserErrorException;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AttachedStrategy;

/**
 * What a training made. The method stays on the model, which generates with it, until this is closed; after that only the
 * summary can be asked for, anything else is an {@link IllegalStateException}.
 */
public final class TrainingResult implements AutoCloseable {

    private final TrainingSummary summary;
    private final AttachedStrategy strategy;
    private boolean closed;

    TrainingResult(TrainingSummary summary, AttachedStrategy strategy) {
        this.summary = summary;
        this.strategy = strategy;
    }

    /**
     * How the training went.
     *
     * @return steps, losses and times
     */
    public TrainingSummary summary() {
        return summary;
    }

    /**
     * The method on the model.
     *
     * @return the method, which belongs to this result
     */
    public AttachedStrategy strategy() {
        if (closed) {
            throw new IllegalStateException("training result used after close: save what it made before");
        }
        return strategy;
    }

    /**
     * Writes what the method gives: an adapter directory in PEFT's format, or a model directory.
     *
     * @param directory where it goes
     * @throws UserErrorException when it cannot be written
     */
    public void save(Path directory) {
        strategy().export(directory);
    }

    /**
     * Writes the adapter in PEFT's format.
     *
     * @param directory where it goes
     * @throws UserErrorException when the method makes no adapter
     */
    public void saveAdapter(Path directory) {
        adapter().export(directory);
    }

    /**
     * The adapter, to merge it for example.
     *
     * @return the method, as an adapter
     * @throws UserErrorException when the method makes no adapter
     */
    public Adapter adapter() {
        if (strategy() instanceof Adapter adapter) {
            return adapter;
        }
        throw new UserErrorException("full fine-tuning makes no adapter: save the model instead");
    }

    /** Takes the method off the model. */
    @Override
    public void close() {
        closed = true;
        strategy.close();
    }
}
