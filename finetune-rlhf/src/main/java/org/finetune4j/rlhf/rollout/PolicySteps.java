package org.finetune4j.rlhf.rollout;

import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.rlhf.preference.PairObjective;
import org.finetune4j.rlhf.preference.loss.PairLosses;
import org.finetune4j.rlhf.rewards.WeightedRewards;
import org.finetune4j.strategy.StoredAdapter;
import org.finetune4j.train.memory.MemoryPlan;
import org.finetune4j.train.memory.StepMemory;
import org.finetune4j.train.steps.StepSetup;
import org.finetune4j.train.steps.StepSource;
import org.jspecify.annotations.Nullable;

/**
 * Opens the steps of a policy's training.
 *
 * @param method what is learned from answers
 * @param options how answers are made
 * @param prompts what is asked
 * @param rewards opens what scores answers
 * @param evaluation is told of it, or null
 * @param start the stored adapter that trains on, which is the reference, or null
 */
record PolicySteps(
        PolicyMethod method,
        RolloutOptions options,
        PromptSamples prompts,
        RewardSetup rewards,
        @Nullable RewardEvaluation evaluation,
        @Nullable StoredAdapter start)
        implements StepSource.Factory {

    @Override
    public StepSource open(StepSetup setup) {
        ReferencePolicy reference = new ReferencePolicy(setup.model(), setup.strategy(), start);
        WeightedRewards scoring = rewards.open(setup.model(), setup.strategy());
        if (evaluation != null) {
            evaluation.use(scoring, setup.ranks());
        }
        try {
            return new RolloutSource(setup, prompts, options, scoring, algorithm(setup, reference), () -> {
                scoring.close();
                reference.close();
            });
        } catch (RuntimeException | Error e) {
            scoring.close();
            throw e;
        }
    }

    @Override
    public StepMemory memory(StepSetup setup, MemoryPlan.Load samples) {
        return new PolicyMemory(method, options, rewards).of(setup, samples);
    }

    @Override
    public StepSource.Opened openEvaluation(StepSetup setup) {
        WeightedRewards scoring = rewards.open(setup.model(), setup.strategy());
        if (evaluation != null) {
            evaluation.use(scoring, setup.ranks());
        }
        return scoring::close;
    }

    private PolicyAlgorithm algorithm(StepSetup setup, ReferencePolicy reference) {
        CausalLM model = setup.model();
        SamplingOptions sampling = options.sampling();
        AnswerBatches batches = AnswerBatches.of(model, setup.arguments().perDeviceTrainBatchSize());
        AnswerReader reader = new AnswerReader(batches, sampling.temperature());
        if (method instanceof PolicyMethod.Ppo ppo) {
            if (!(setup.strategy() instanceof ActorCritic both)) {
                throw new IllegalStateException("PPO needs a value function beside the policy");
            }
            return new PpoAlgorithm(ppo.options(), sampling, model, both.values(), reader, reference, batches);
        }
        if (method instanceof PolicyMethod.Group group) {
            if (group.options().advantages().needsOthers()) {
                requireGroups(sampling);
            }
            return new GroupAlgorithm(
                    group.options(), sampling, options.stepsPerRound() > 1, model, reader, reference, batches);
        }
        requireGroups(sampling);
        if (method instanceof PolicyMethod.OnlineDpo dpo) {
            PairObjective objective = PairObjective.withReference(
                    List.of(new PairObjective.Term(PairLosses.named(dpo.lossType(), dpo.beta(), 0), 1)),
                    PairObjective.Likelihood.NONE);
            return new OnlineDpoAlgorithm(
                    objective, dpo.toString(), model, new AnswerReader(batches, 1), reference, batches);
        }
        return new RejectionSampling(((PolicyMethod.BestOfN) method).threshold(), batches);
    }

    private static void requireGroups(SamplingOptions sampling) {
        if (sampling.generations() < 2) {
            throw new UserErrorException(
                    "num_generations is 1, expected at least 2: the answers to a prompt are compared with each other");
        }
    }
}
