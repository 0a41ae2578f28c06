package org.finetune4j.train.preflight;

import java.util.List;
import java.util.function.Function;
import org.finetune4j.data.Collator;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.memory.MemoryPlan;
import org.finetune4j.train.memory.StepMemory;
import org.finetune4j.train.objective.Objective;
import org.jspecify.annotations.Nullable;

/**
 * All that a training will use.
 *
 * @param model the model
 * @param method the method's name in configurations
 * @param strategy the method on the model
 * @param arguments of the training
 * @param dataset the training samples
 * @param evaluation the held-out samples, or null
 * @param collator makes batches of samples
 * @param survey what looking at the training samples gave
 * @param evaluationSurvey what looking at the held-out samples gave, or null
 * @param memory what the run will need for its longest samples
 * @param measuresItself whether the caller brings a measurement of its own, which needs no held-out samples
 */
public record PreflightContext(
        CausalLM model,
        String method,
        AttachedStrategy strategy,
        TrainingArguments arguments,
        TrainingDataset dataset,
        @Nullable TrainingDataset evaluation,
        Collator collator,
        SampleSurvey survey,
        @Nullable SampleSurvey evaluationSurvey,
        MemoryPlan memory,
        boolean measuresItself) {

    /**
     * Looks at the samples and plans the memory.
     *
     * @param model the model
     * @param method the method's name in configurations
     * @param strategy the method on the model
     * @param objective what it is to make small
     * @param arguments of the training
     * @param dataset the training samples
     * @param evaluation the held-out samples, or null
     * @param collator makes batches of samples
     * @param samples how many samples of both kinds are looked at, spread over all of them; 0 for all
     * @param steps what the steps take, of the largest batch of samples
     * @param process bytes of the process without the model
     * @return what the checks are given
     */
    public static PreflightContext of(
            CausalLM model,
            String method,
            AttachedStrategy strategy,
            Objective objective,
            TrainingArguments arguments,
            TrainingDataset dataset,
            @Nullable TrainingDataset evaluation,
            Collator collator,
            int samples,
            Function<MemoryPlan.Load, StepMemory> steps,
            long process) {
        SampleSurvey survey = SampleSurvey.of(dataset, model.network(), objective, samples);
        StepMemory needed = steps.apply(new MemoryPlan.Load(
                Math.min(arguments.perDeviceTrainBatchSize(), dataset.size()), Math.max(1, survey.longest())));
        MemoryPlan memory = MemoryPlan.of(model, strategy, arguments, needed.load(), process)
                .with(needed);
        SampleSurvey evaluationSurvey = evaluation == null
                ? null
                : SampleSurvey.of(evaluation, model.network(), objective.forEvaluation(), samples);
        return new PreflightContext(
                model,
                method,
                strategy,
                arguments,
                dataset,
                evaluation,
                collator,
                survey,
                evaluationSurvey,
                memory,
                false);
    }

    /**
     * The same training, measured by the caller.
     *
     * @return another context
     */
    public PreflightContext measuringItself() {
        return new PreflightContext(
                model,
                method,
                strategy,
                arguments,
                dataset,
                evaluation,
                collator,
                survey,
                evaluationSurvey,
                memory,
                true);
    }

    /**
     * What looking at samples of either kind gave.
     *
     * @return one or two surveys
     */
    public List<SampleSurvey> surveys() {
        return evaluationSurvey == null ? List.of(survey) : List.of(survey, evaluationSurvey);
    }
}
