package org.finetune4j.rlhf.rollout;

import org.finetune4j.UserErrorException;
import org.finetune4j.train.arguments.TrainingArguments;

/** How many answers steps and rounds have. */
final class RoundSize {

    private RoundSize() {}

    static int answersPerStep(TrainingArguments arguments) {
        return Math.multiplyExact(arguments.perDeviceTrainBatchSize(), arguments.gradientAccumulationSteps());
    }

    /** @throws UserErrorException when answers to a prompt would be in two rounds, or some steps would have none of their own */
    static int promptsPerRound(TrainingArguments arguments, RolloutOptions options) {
        int answers = Math.multiplyExact(answersPerStep(arguments), options.miniBatches());
        int generations = options.sampling().generations();
        if (answers % generations != 0) {
            throw new UserErrorException("num_generations is " + generations + ", but a round has " + answers
                    + " answers (per_device_train_batch_size * gradient_accumulation_steps"
                    + (options.miniBatches() > 1 ? " * num_mini_batches" : "")
                    + "): that must be a multiple of it");
        }
        int prompts = answers / generations;
        if (prompts < options.miniBatches()) {
            throw new UserErrorException("num_generations is " + generations + ", but a step has "
                    + answersPerStep(arguments)
                    + " answers (per_device_train_batch_size * gradient_accumulation_steps), and those to a prompt stay"
                    + " together: with num_mini_batches " + options.miniBatches() + " it must have at least as many");
        }
        return prompts;
    }
}
