package org.finetune4j.rlhf.rollout;

import org.finetune4j.generate.GenerationEngine;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.preflight.Findings;
import org.finetune4j.train.preflight.PreflightCheck;
import org.finetune4j.train.preflight.PreflightContext;

/**
 * Before a policy answers anything: rounds are whole groups, answers can end, prompts are left, and what scores answers fits the
 * model.
 *
 * @param options how answers are made
 * @param prompts what is asked
 * @param rewards what scores answers
 */
record RolloutCheck(RolloutOptions options, PromptSamples prompts, RewardSetup rewards) implements PreflightCheck {

    @Override
    public void check(PreflightContext context, Findings findings) {
        groups(context.arguments(), findings);
        prompts(findings);
        ends(context, findings);
        rewards.check(context.model());
    }

    private void groups(TrainingArguments arguments, Findings findings) {
        int generations = options.sampling().generations();
        int batch = arguments.perDeviceTrainBatchSize();
        RoundSize.promptsPerRound(arguments, options);
        if (batch > generations && batch % generations != 0) {
            findings.warning("per_device_train_batch_size " + batch + " is no multiple of num_generations "
                    + generations + ": groups are cut between batches, which compute their prompts twice");
        }
    }

    private void prompts(Findings findings) {
        int leftOut = prompts.leftOut();
        if (leftOut > 0) {
            findings.warning(leftOut + " of " + (leftOut + prompts.size()) + " prompts are longer than "
                    + prompts.maxPromptLength() + " tokens and are left out: raise max_prompt_length, or lower"
                    + " max_completion_length where the model sees no more");
        }
    }

    private void ends(PreflightContext context, Findings findings) {
        boolean ends = !GenerationEngine.endTokens(context.model()).isEmpty()
                || !options.sampling().stopStrings().isEmpty();
        if (!ends) {
            String message =
                    "neither tokenizer nor config.json names an end token, so that no answer ever ends by itself: name"
                            + " eos_token in tokenizer_config.json, or set stop_strings";
            if (options.shaping().missingEndPenalty() > 0) {
                findings.error(message + "; missing_eos_penalty would be taken off every answer");
            } else {
                findings.warning(message);
            }
        }
    }
}
