package org.finetune4j.train.preflight;

import org.finetune4j.data.Collator;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.TrainingArguments;
import org.finetune4j.train.memory.MemoryPlan;
import org.jspecify.annotations.Nullable;

/**
 * All that a training will use.
 *
 * @param method the method's name in configurations
 * @param strategy the method on the model
 * @param evaluation the held-out samples, or null
 * @param survey what looking at the training samples gave
 * @param memory what the run will need for its longest samples
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
        MemoryPlan memory) {

    /**
     * Looks at the samples and plans the memory.
     *
     * @param samples how many training samples are looked at, spread over all of them; 0 for all
     * @param process bytes of the process without the model
     */
    public static PreflightContext of(
            CausalLM model,
            String method,
            AttachedStrategy strategy,
            TrainingArguments arguments,
            TrainingDataset dataset,
            @Nullable TrainingDataset evaluation,
            Collator collator,
            int samples,
            long process) {
        SampleSurvey survey = SampleSurvey.of(dataset, samples);
        MemoryPlan memory = MemoryPlan.of(
                model,
                strategy,
                arguments,
                new MemoryPlan.Load(
                        Math.min(arguments.perDeviceTrainBatchSize(), dataset.size()), Math.max(1, survey.longest())),
                process);
        return new PreflightContext(model, method, strategy, arguments, dataset, evaluation, collator, survey, memory);
    }
}
