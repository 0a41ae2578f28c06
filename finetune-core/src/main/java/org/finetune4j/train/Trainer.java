package org.finetune4j.train;

import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Collator;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.objective.CrossEntropy;
import org.finetune4j.train.objective.Objective;
import org.jspecify.annotations.Nullable;

/**
 * Runs a training: step after step from a source of batches, accumulated gradients normalised by what the whole accumulated batch
 * counts (of a language model its labelled tokens), clipping, optimizer and schedule, evaluation, checkpoints. A run that was killed and resumed ends with
 * the same weights as one that was not.
 *
 * <p>Everything happens on the calling thread, but for reading data ahead and {@link #requestStop()}.
 */
public final class Trainer {

    private final RunConfiguration configuration;
    private final TrainingListener listener;
    private final StopRequest stop = new StopRequest();

    /**
     * A training.
     *
     * @param configuration all that it is given
     */
    public Trainer(RunConfiguration configuration) {
        this.configuration = configuration;
        this.listener = new ListenerChain(configuration.membership().isFirst() ? configuration.listeners() : List.of());
    }

    /**
     * A training by cross entropy, with what the arguments add to it.
     *
     * @param model the model
     * @param strategy a method that is attached to {@code model}
     * @param arguments how to train
     * @param dataset the samples
     * @param evaluationDataset the held-out samples, or null to do without
     * @param collator makes batches of samples
     * @param listeners told in this order
     * @throws UserErrorException when the arguments ask for metrics that these samples cannot give
     */
    public Trainer(
            CausalLM model,
            AttachedStrategy strategy,
            TrainingArguments arguments,
            TrainingDataset dataset,
            @Nullable TrainingDataset evaluationDataset,
            Collator collator,
            List<? extends TrainingListener> listeners) {
        this(
                model,
                strategy,
                new CrossEntropy(arguments.loss()),
                arguments,
                dataset,
                evaluationDataset,
                collator,
                listeners);
    }

    /**
     * A training over a dataset by any objective.
     *
     * @param model the model
     * @param strategy a method that is attached to {@code model}
     * @param objective what it makes small
     * @param arguments how to train
     * @param dataset the samples, with the columns that the objective needs
     * @param evaluationDataset the held-out samples, or null to do without
     * @param collator makes batches of samples
     * @param listeners told in this order
     * @throws UserErrorException when the arguments ask for metrics that these samples cannot give
     */
    public Trainer(
            CausalLM model,
            AttachedStrategy strategy,
            Objective objective,
            TrainingArguments arguments,
            TrainingDataset dataset,
            @Nullable TrainingDataset evaluationDataset,
            Collator collator,
            List<? extends TrainingListener> listeners) {
        this(RunConfiguration.over(model, strategy, objective, arguments, dataset, evaluationDataset, collator)
                .withListeners(listeners));
    }

    /**
     * Asks the run to stop with a checkpoint to resume from: after the present step, or in the middle of an accumulated
     * batch at the step before it. Any thread may ask. To interrupt the thread that trains is the same.
     */
    public void requestStop() {
        stop.make();
    }

    /**
     * Runs the training to its end.
     *
     * @return how the run ended
     * @throws UserErrorException when the output directory cannot be written, or holds a run that is not to be resumed
     * @throws org.finetune4j.FinetuneException when the loss is no longer a number
     */
    public TrainingSummary train() {
        try (RunDirectory directory = RunDirectory.enter(configuration.arguments(), configuration.membership())) {
            boolean isAlone = configuration.membership().ranks() == 1;
            TrainingSummary summary = TrainingRun.execute(configuration, listener, () -> stop.isMade(isAlone));
            listener.onEnd(summary);
            return summary;
        } catch (Throwable e) {
            listener.onFailure(e);
            throw e;
        } finally {
            stop.passInterruptOn();
        }
    }

    /**
     * Tells the listeners of something that was noticed before the run.
     *
     * @param message one line
     */
    public void warn(String message) {
        listener.onWarning(message);
    }

    /**
     * Measures the model on what is held out.
     *
     * @param step optimizer steps done, for the record
     * @return what was measured
     */
    public EvaluationMetrics evaluate(long step) {
        Evaluation evaluation = configuration.evaluation();
        if (evaluation == null) {
            throw new IllegalStateException("this run has no held-out samples");
        }
        return evaluation.evaluate(step);
    }
}
