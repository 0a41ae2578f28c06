package org.finetune4j.train;

import java.nio.file.Path;
import java.util.List;
import org.finetune4j.train.health.ExpertLoad;
import org.finetune4j.train.health.TrainingStatistics;

/**
 * Is told what happens during training: progress bars, reports and metric stores are listeners.
 *
 * <p>All methods are called on the training thread, in the order in which things happen: {@link #onStart} first, then
 * steps, evaluations, checkpoints and samples, and exactly one of {@link #onEnd} and {@link #onFailure} last. A run
 * that is refused before it starts is not told of, but for its warnings. A listener delays training by as long as it takes.
 */
public interface TrainingListener {

    /**
     * Something that is probably not meant, or that people should know. It may come before {@link #onStart}.
     *
     * @param message one line
     */
    default void onWarning(String message) {}

    /**
     * Training is about to run its first step, or its first step after {@link TrainingPlan#startStep()}.
     *
     * @param plan what the run sets out to do
     */
    default void onStart(TrainingPlan plan) {}

    /**
     * An optimizer step is done: one accumulated batch, one update of the weights.
     *
     * @param metrics what the step did
     */
    default void onStep(StepMetrics metrics) {}

    /**
     * Gradients and activations were measured, where the arguments ask for it; before the step's {@link #onStep}.
     *
     * @param statistics what was measured
     */
    default void onStatistics(TrainingStatistics statistics) {}

    /**
     * The model was evaluated on the held-out split.
     *
     * @param metrics what was measured
     */
    default void onEvaluation(EvaluationMetrics metrics) {}

    /**
     * Where the routers of a mixture of experts have sent tokens since this was last told; with every evaluation, and after the last
     * step.
     *
     * @param load shares of tokens by layer and expert
     */
    default void onExpertLoad(ExpertLoad load) {}

    /**
     * The plan of memory was compared with what the process took.
     *
     * @param comparison both peaks
     */
    default void onMemory(MemoryComparison comparison) {}

    /**
     * A complete checkpoint is on disk.
     *
     * @param directory where it lies
     * @param step number of optimizer steps that it holds
     */
    default void onCheckpoint(Path directory, long step) {}

    /**
     * The same prompts were answered before and after training.
     *
     * @param samples one for each prompt
     */
    default void onSamples(List<SampleComparison> samples) {}

    /**
     * Training came to its end, or stopped early in good order after an interrupt.
     *
     * @param summary how the run ended
     */
    default void onEnd(TrainingSummary summary) {}

    /**
     * Training ends with an exception, which the trainer throws after this call.
     *
     * @param failure the exception
     */
    default void onFailure(Throwable failure) {}
}
