package org.finetune4j.train;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.data.Collator;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Residency;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.group.Membership;
import org.finetune4j.train.objective.Objective;
import org.finetune4j.train.steps.StepSource;
import org.jspecify.annotations.Nullable;

/**
 * All that a run is given. Immutable.
 *
 * @param model the model
 * @param strategy a method that is attached to {@code model}
 * @param arguments how to train
 * @param steps where the batches of its steps come from
 * @param evaluation measures the model as often as the arguments ask for, or null to do without
 * @param listeners told in this order
 * @param description shown in reports by name, before the arguments
 * @param preview answers from before and after the run, for listeners, or null
 * @param residencies called around every segment of the model in every pass of the run, each inside of those before it
 * @param membership what this rank does where several train together
 */
public record RunConfiguration(
        CausalLM model,
        AttachedStrategy strategy,
        TrainingArguments arguments,
        StepSource.Factory steps,
        @Nullable Evaluation evaluation,
        List<TrainingListener> listeners,
        Map<String, @Nullable Object> description,
        @Nullable SamplePreview preview,
        List<Residency> residencies,
        Membership membership) {

    /**
     * Copies what could change.
     *
     * @param model the model
     * @param strategy a method that is attached to {@code model}
     * @param arguments how to train
     * @param steps where the batches of its steps come from
     * @param evaluation measures the model as often as the arguments ask for, or null to do without
     * @param listeners told in this order
     * @param description shown in reports by name, before the arguments
     * @param preview answers from before and after the run, for listeners, or null
     * @param residencies called around every segment of the model in every pass of the run, each inside of those before it
     * @param membership what this rank does where several train together
     */
    public RunConfiguration {
        Objects.requireNonNull(model, "model");
        Objects.requireNonNull(strategy, "strategy");
        Objects.requireNonNull(arguments, "arguments");
        Objects.requireNonNull(steps, "steps");
        listeners = List.copyOf(listeners);
        residencies = List.copyOf(residencies);
        description = Collections.unmodifiableMap(new LinkedHashMap<>(description));
    }

    /**
     * A run by steps that come from anywhere.
     *
     * @param model the model
     * @param strategy a method that is attached to {@code model}
     * @param arguments how to train
     * @param steps where the batches of its steps come from
     * @return a run without evaluation and listeners
     */
    public static RunConfiguration of(
            CausalLM model, AttachedStrategy strategy, TrainingArguments arguments, StepSource.Factory steps) {
        return new RunConfiguration(
                model, strategy, arguments, steps, null, List.of(), Map.of(), null, List.of(), Membership.ALONE);
    }

    /**
     * A run over a dataset.
     *
     * @param model the model
     * @param strategy a method that is attached to {@code model}
     * @param objective what it makes small
     * @param arguments how to train
     * @param dataset the samples, with the columns that the objective needs
     * @param heldOut samples that are not trained on, or null to do without
     * @param collator makes batches of samples
     * @return a run without listeners
     * @throws org.finetune4j.UserErrorException when the arguments ask for metrics that the held-out samples cannot give, or the
     *     method does not allow what the objective needs
     */
    public static RunConfiguration over(
            CausalLM model,
            AttachedStrategy strategy,
            Objective objective,
            TrainingArguments arguments,
            TrainingDataset dataset,
            @Nullable TrainingDataset heldOut,
            Collator collator) {
        Objects.requireNonNull(dataset, "dataset");
        Objects.requireNonNull(collator, "collator");
        Objective bound = objective.on(model, strategy, Membership.ALONE);
        return overBound(model, strategy, bound, arguments, dataset, heldOut, collator);
    }

    /** A run over a dataset by an objective that knows the model. */
    static RunConfiguration overBound(
            CausalLM model,
            AttachedStrategy strategy,
            Objective bound,
            TrainingArguments arguments,
            TrainingDataset dataset,
            @Nullable TrainingDataset heldOut,
            Collator collator) {
        return of(model, strategy, arguments, setup -> new DatasetSteps(dataset, bound, collator, arguments))
                .withHeldOut(heldOut, collator, bound);
    }

    /**
     * The same with an evaluation.
     *
     * @param value measures the model, or null to do without
     * @return the changed configuration
     */
    public RunConfiguration withEvaluation(@Nullable Evaluation value) {
        return new RunConfiguration(
                model, strategy, arguments, steps, value, listeners, description, preview, residencies, membership);
    }

    /**
     * The same with an evaluation on held-out samples.
     *
     * @param samples that are not trained on, or null to do without
     * @param collator makes batches of them
     * @param objective that knows the model ({@link Objective#on}); what is measured is its {@link Objective#forEvaluation}
     * @return the changed configuration
     * @throws org.finetune4j.UserErrorException when the arguments ask for metrics that these samples cannot give
     */
    public RunConfiguration withHeldOut(@Nullable TrainingDataset samples, Collator collator, Objective objective) {
        return samples == null
                ? this
                : withEvaluation(new Evaluator(
                                model,
                                samples,
                                collator,
                                arguments.perDeviceEvalBatchSize(),
                                arguments.selection(),
                                objective.forEvaluation())
                        .by(arguments.segments()));
    }

    /**
     * The same with listeners in the place of those before.
     *
     * @param value told in this order
     * @return the changed configuration
     */
    public RunConfiguration withListeners(List<? extends TrainingListener> value) {
        return new RunConfiguration(
                model,
                strategy,
                arguments,
                steps,
                evaluation,
                List.copyOf(value),
                description,
                preview,
                residencies,
                membership);
    }

    /**
     * The same with settings that reports show before the arguments.
     *
     * @param settings shown by name, in this order
     * @return the changed configuration
     */
    public RunConfiguration withDescription(Map<String, ? extends @Nullable Object> settings) {
        return new RunConfiguration(
                model,
                strategy,
                arguments,
                steps,
                evaluation,
                listeners,
                new LinkedHashMap<>(settings),
                preview,
                residencies,
                membership);
    }

    /**
     * The same with answers that listeners see.
     *
     * @param value answers from before and after the run, or null for none
     * @return the changed configuration
     */
    public RunConfiguration withPreview(@Nullable SamplePreview value) {
        return new RunConfiguration(
                model, strategy, arguments, steps, evaluation, listeners, description, value, residencies, membership);
    }

    /**
     * The same with something to be done around every segment of the model in every pass of the run: its steps, evaluations,
     * answers.
     *
     * @param value brings what a segment needs to where it is needed, each inside of those before it
     * @return the changed configuration
     */
    public RunConfiguration withResidencies(List<Residency> value) {
        return new RunConfiguration(
                model, strategy, arguments, steps, evaluation, listeners, description, preview, value, membership);
    }

    /**
     * The same as one of several ranks.
     *
     * @param value what this rank does in the run; stays the caller's
     * @return the changed configuration
     */
    public RunConfiguration withMembership(Membership value) {
        return new RunConfiguration(
                model, strategy, arguments, steps, evaluation, listeners, description, preview, residencies, value);
    }

    /** All settings, as reports show them. */
    Map<String, @Nullable Object> shown() {
        Map<String, @Nullable Object> all = new LinkedHashMap<>(description);
        all.putAll(arguments.describe());
        return all;
    }
}
