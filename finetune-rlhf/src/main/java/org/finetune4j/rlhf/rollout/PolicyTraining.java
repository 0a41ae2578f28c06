package org.finetune4j.rlhf.rollout;

import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.StoredAdapter;
import org.finetune4j.train.FineTuner;
import org.jspecify.annotations.Nullable;

/**
 * The training of a policy, as a fine-tuner is completed by it: the steps come from rollouts, held-out prompts are answered and scored.
 *
 * @param method what is learned from answers
 * @param options how answers are made
 * @param rewards what scores them
 */
record PolicyTraining(PolicyMethod method, RolloutOptions options, RewardSetup rewards) {

    /** Policies of all seeds are measured by the same draws. */
    private static final long EVALUATION_SEED = 20_240_229;

    /** @param heldOut prompts to measure the policy by, or null */
    void configure(FineTuner tuner, CausalLM model, PromptSamples prompts, @Nullable PromptSamples heldOut) {
        RewardEvaluation evaluation =
                heldOut == null ? null : new RewardEvaluation(model, heldOut, options.sampling(), EVALUATION_SEED);
        StoredAdapter start = tuner.strategy() instanceof StoredAdapter own ? own : null;
        tuner.objective(new PromptObjective())
                .steps(new PolicySteps(method, options, prompts, rewards, evaluation, start));
        tuner.check(new RolloutCheck(options, prompts, rewards));
        if (evaluation != null) {
            tuner.evaluation(evaluation);
        }
        if (method instanceof PolicyMethod.Ppo ppo) {
            tuner.strategy(policy -> new WithValueFunction(policy, ppo.options().ownValueTrunk()));
        }
    }
}
