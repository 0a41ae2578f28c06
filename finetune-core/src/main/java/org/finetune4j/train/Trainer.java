package org.finetune4j.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Collator;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Residency;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.objective.CrossEntropy;
import org.finetune4j.train.objective.Objective;
import org.jspecify.annotations.Nullable;

/**
 * Runs a training: batches in a seeded order, accumulated gradients normalised by what the whole accumulated batch
 * counts (of a language model its labelled tokens), clipping, optimizer and schedule, evaluation, checkpoints. A run that was killed and resumed ends with
 * the same weights as one that was not.
 *
 * <p>Everything happens on the calling thread, but for reading data ahead and {@link #requestStop()}.
 */
public final class Trainer {

    private final CausalLM model;
    private final AttachedStrategy strategy;
    private final Objective objective;
    private final TrainingArguments arguments;
    private final TrainingDataset dataset;
    private final @Nullable TrainingDataset evaluationDataset;
    private final @Nullable Evaluator evaluator;
    private final Collator collator;
    private final TrainingListener listener;
    private final Map<String, @Nullable Object> configuration = new LinkedHashMap<>();
    private final List<Residency> residencies = new ArrayList<>();
    private @Nullable SamplePreview preview;
    private volatile boolean stopRequested;

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
                new CrossEntropy(Objects.requireNonNull(arguments, "arguments").loss()),
                arguments,
                dataset,
                evaluationDataset,
                collator,
                listeners);
    }

    /**
     * A training by any objective.
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
        this.model = Objects.requireNonNull(model, "model");
        this.strategy = Objects.requireNonNull(strategy, "strategy");
        this.objective = Objects.requireNonNull(objective, "objective").on(model, strategy);
        this.arguments = Objects.requireNonNull(arguments, "arguments");
        this.dataset = Objects.requireNonNull(dataset, "dataset");
        this.collator = Objects.requireNonNull(collator, "collator");
        this.listener = new ListenerChain(Objects.requireNonNull(listeners, "listeners"));
        this.evaluationDataset = evaluationDataset;
        this.evaluator = evaluationDataset == null
                ? null
                : new Evaluator(
                        model,
                        evaluationDataset,
                        collator,
                        arguments.perDeviceEvalBatchSize(),
                        arguments.selection(),
                        this.objective.forEvaluation());
        this.configuration.putAll(arguments.describe());
    }

    /**
     * Adds to the configuration that reports show, before the arguments.
     *
     * @param settings shown by name, in this order
     * @return this trainer
     */
    public Trainer describe(Map<String, ? extends @Nullable Object> settings) {
        Map<String, @Nullable Object> all = new LinkedHashMap<>(settings);
        all.putAll(configuration);
        configuration.clear();
        configuration.putAll(all);
        return this;
    }

    /**
     * Lets listeners see answers from before and after the run.
     *
     * @param samplePreview answers before and after
     * @return this trainer
     */
    public Trainer preview(SamplePreview samplePreview) {
        preview = Objects.requireNonNull(samplePreview, "samplePreview");
        return this;
    }

    /**
     * Adds something to be done around every segment of the model in every pass of the run: its steps, evaluations, answers.
     *
     * @param residency brings what a segment needs to where it is needed, inside of those added before
     * @return this trainer
     */
    public Trainer residency(Residency residency) {
        residencies.add(Objects.requireNonNull(residency, "residency"));
        return this;
    }

    /**
     * Asks the run to stop with a checkpoint to resume from: after the present step, or in the middle of an accumulated
     * batch at the step before it. Any thread may ask.
     */
    public void requestStop() {
        stopRequested = true;
    }

    boolean isStopRequested() {
        return stopRequested;
    }

    /**
     * Runs the training to its end.
     *
     * @return how the run ended
     * @throws UserErrorException when the output directory cannot be written, or holds a run that is not to be resumed
     * @throws org.finetune4j.FinetuneException when the loss is no longer a number
     */
    public TrainingSummary train() {
        try (RunDirectory directory = RunDirectory.enter(arguments);
                TrainingRun run = new TrainingRun(this)) {
            TrainingSummary summary = run.execute();
            listener.onEnd(summary);
            return summary;
        } catch (RuntimeException | Error e) {
            listener.onFailure(e);
            throw e;
        }
    }

    /**
     * Measures the model on the held-out samples.
     *
     * @param step optimizer steps done, for the record
     * @return what was measured
     */
    public EvaluationMetrics evaluate(long step) {
        if (evaluator == null) {
            throw new IllegalStateException("this run has no held-out samples");
        }
        return evaluator.evaluate(step);
    }

    CausalLM model() {
        return model;
    }

    AttachedStrategy strategy() {
        return strategy;
    }

    Objective objective() {
        return objective;
    }

    TrainingArguments arguments() {
        return arguments;
    }

    TrainingDataset dataset() {
        return dataset;
    }

    Collator collator() {
        return collator;
    }

    TrainingListener listener() {
        return listener;
    }

    @Nullable
    TrainingDataset evaluationDataset() {
        return evaluationDataset;
    }

    @Nullable
    Evaluator evaluator() {
        return evaluator;
    }

    @Nullable
    SamplePreview preview() {
        return preview;
    }

    List<Residency> residencies() {
        return residencies;
    }

    Map<String, @Nullable Object> configuration() {
        return configuration;
    }
}
