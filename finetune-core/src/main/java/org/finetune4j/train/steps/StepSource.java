package org.finetune4j.train.steps;

import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.finetune4j.train.memory.MemoryPlan;
import org.finetune4j.train.memory.StepMemory;

/**
 * Where the batches of optimizer steps come from. A dataset is read in epochs; a source of rollouts lets the model answer, scores
 * the answers and goes over them several times before it lets the new weights answer. The training loop knows neither: it asks
 * for the batches of the next step, and tells of the update.
 *
 * <p>The order of calls: {@link #restore} at most once and before all others but those that describe the source, then for every step
 * {@link #end}, {@link #next}, {@link #updated}, {@link #metrics}. All calls come from the training's thread, with its random
 * generator in use. What is drawn from that generator comes again in a resumed run, as long as {@link #state} keeps to its rule.
 */
public interface StepSource extends AutoCloseable {

    /** Opens a source for a run. It is asked again when the same training runs again. */
    interface Factory {

        /**
         * A source at its beginning.
         *
         * @param setup the model, and what trains on it
         * @return the source, which the run closes
         * @throws org.finetune4j.UserErrorException when the settings do not fit the model
         */
        StepSource open(StepSetup setup);

        /**
         * What the steps of such a source take beside what every training does.
         *
         * @param setup the model, and what trains on it
         * @param samples the largest batch that there would be of the samples themselves
         * @return the largest batch of its steps, and what there is beside them
         */
        default StepMemory memory(StepSetup setup, MemoryPlan.Load samples) {
            return StepMemory.of(samples);
        }

        /**
         * Opens what the evaluation of such a run needs beside the model, without taking a step.
         *
         * @param setup the model, and what trains on it
         * @return is closed after the evaluation
         * @throws org.finetune4j.UserErrorException when the settings do not fit the model
         */
        default Opened openEvaluation(StepSetup setup) {
            return () -> {};
        }
    }

    /** Something that was opened. */
    interface Opened extends AutoCloseable {
        @Override
        void close();
    }

    /** {@return the optimizer steps of the whole run; empty where only the source's end decides, or {@code max_steps}} */
    OptionalLong totalSteps();

    /**
     * {@return how far the source has come, in passes over its data or in rounds} Where it reaches a whole number, what is to be
     * done once an epoch is done.
     */
    double epoch();

    /** {@return what {@link #epoch} will be after all steps} */
    double totalEpochs();

    /**
     * {@return what must be the same for a resumed run to go on as the first one would have} A text, so that people see what
     * differs: data, batch sizes, seeds.
     */
    String fingerprint();

    /** {@return the length that nearly all batches have, where there is one} */
    default OptionalInt commonLength() {
        return OptionalInt.empty();
    }

    /**
     * {@return why there are no more steps; empty as long as there are} Asked before every step, also after {@link #restore}. A
     * source that only ends with its steps never says anything.
     */
    default Optional<StepsEnd> end() {
        return Optional.empty();
    }

    /**
     * The batches of the next step. It may take long, as when the model answers first; {@link StepSetup#stopRequested} says
     * whether somebody waits for it to give up.
     *
     * @return the batches; empty only when a stop was requested, and then nothing has changed
     * @throws org.finetune4j.UserErrorException when it cannot be made. Nothing may have changed: the run ends with a checkpoint
     */
    Optional<StepBatches> next();

    /**
     * The step of the batches that {@link #next} gave is done: the weights have changed. A step that is not done, because a stop
     * came in its middle, is not told of.
     *
     * @param outcome what it gave
     */
    void updated(StepOutcome outcome);

    /**
     * {@return what is worth reporting of the step that was just {@link #updated}, by name} Names are those that people know from
     * elsewhere, such as {@code objective/kl}; a number that is not finite makes a gap in its curve.
     */
    default Map<String, Double> metrics() {
        return Map.of();
    }

    /**
     * {@return where the last step that was {@link #updated} left this source} What {@link #next} has made since, such as
     * answers of the model, may belong to it if that is not lost by giving the same batches again; the random generator's
     * state that is saved with it is the one after that {@link #next}. Tensors may belong to the scope of the caller.
     */
    SourceState state();

    /**
     * Goes on from a state.
     *
     * @param state of a source with the same fingerprint; its tensors belong to the caller
     * @throws org.finetune4j.UserErrorException when it is no such state
     */
    void restore(SourceState state);

    @Override
    default void close() {}
}
