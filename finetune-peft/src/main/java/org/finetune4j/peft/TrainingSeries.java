package org.finetune4j.peft;

import java.nio.file.Path;
import java.util.Map;
import java.util.function.Consumer;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.TrainingResult;
import org.jspecify.annotations.Nullable;

/**
 * Several trainings that belong together and leave one adapter in one directory. They go on after a kill, and stop when asked to.
 *
 * @param <T> the series itself
 */
public abstract class TrainingSeries<T extends TrainingSeries<T>> {

    private final Path directory;
    private Map<String, String> identity = Map.of();
    private Consumer<String> messages = line -> {};
    private Consumer<TrainingResult> completion;
    private volatile boolean stopRequested;
    private volatile @Nullable FineTuner running;

    /**
     * A series that begins, or goes on, in a directory.
     *
     * @param directory where the adapter and all that the series needs go
     */
    protected TrainingSeries(Path directory) {
        this.directory = directory;
        this.completion = result -> result.save(directory);
    }

    @SuppressWarnings("unchecked") // T is the class that extends this one
    private T self() {
        return (T) this;
    }

    /**
     * What must be the same for a series that was begun to go on.
     *
     * @param settings by name
     * @return this
     */
    public final T identity(Map<String, String> settings) {
        identity = Map.copyOf(settings);
        return self();
    }

    /**
     * Sets what is told how the series goes.
     *
     * @param value is given one line each time
     * @return this
     */
    public final T messages(Consumer<String> value) {
        messages = value;
        return self();
    }

    /**
     * What is done with the last training while it is on the model; its adapter is saved when nothing is set.
     *
     * @param value is given the complete training; after a kill it may be given it again
     * @return this
     */
    public final T completion(Consumer<TrainingResult> value) {
        completion = value;
        return self();
    }

    /** Asks a running series to stop after the present step, with a checkpoint. Any thread may ask. */
    public final void requestStop() {
        stopRequested = true;
        FineTuner tuner = running;
        if (tuner != null) {
            tuner.requestStop();
        }
    }

    /** {@return where everything goes} */
    protected final Path directory() {
        return directory;
    }

    /** {@return what must be the same to go on} */
    protected final Map<String, String> identity() {
        return identity;
    }

    /** {@return whether to stop} */
    protected final boolean isStopRequested() {
        return stopRequested;
    }

    /** Says that the run has ended: who asked it to stop has been obeyed, and the next run is another one. */
    protected final void ended() {
        stopRequested = false;
    }

    /**
     * Says a line.
     *
     * @param line for whoever listens
     */
    protected final void tell(String line) {
        messages.accept(line);
    }

    /**
     * Hands the last training on.
     *
     * @param result which is on the model
     */
    protected final void complete(TrainingResult result) {
        completion.accept(result);
    }

    /**
     * Runs one of the trainings, which a request to stop reaches.
     *
     * @param tuner ready to train
     * @return what came of it
     */
    protected final TrainingResult train(FineTuner tuner) {
        running = tuner;
        if (stopRequested) {
            tuner.requestStop();
        }
        try {
            return tuner.train();
        } finally {
            running = null;
        }
    }
}
