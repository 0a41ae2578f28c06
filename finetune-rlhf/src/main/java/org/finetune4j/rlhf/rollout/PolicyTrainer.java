package org.finetune4j.rlhf.rollout;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.supervised.PromptTokenizer;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.rlhf.StageTrainer;
import org.finetune4j.rlhf.rewards.RewardFunction;
import org.finetune4j.rlhf.rewards.RewardSource;
import org.finetune4j.rlhf.rewards.WeightedRewards;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.stage.StageData;

/**
 * Trains a policy on its own answers: a {@link FineTuner} whose steps come from rollouts.
 *
 * <pre>{@code
 * try (CausalLM model = CausalLM.load("models/SmolLM2-135M");
 *         TrainingResult result = PolicyTrainer.of(model)
 *                 .strategy(Lora.builder().rank(16).targetModules("all-linear").build())
 *                 .prompts(InstructionDataset.load(Path.of("questions.jsonl")))
 *                 .method(new PolicyMethod.Group(GroupOptions.grpo()))
 *                 .rollouts(RolloutOptions.of(SamplingOptions.of(8, 64)))
 *                 .reward("brief", answer -> answer.completion().length() < 80 ? 1 : 0)
 *                 .arguments(TrainingArguments.builder().batchSize(8).maxSteps(200).build())
 *                 .train()) {
 *     result.saveAdapter(Path.of("out/policy"));
 * }
 * }</pre>
 */
public final class PolicyTrainer extends StageTrainer<PolicyTrainer> {

    private final List<RewardSource> rewards = new ArrayList<>();
    private final List<Double> weights = new ArrayList<>();
    private PolicyMethod method = new PolicyMethod.Group(GroupOptions.grpo());
    private RolloutOptions rollouts = RolloutOptions.of(SamplingOptions.of(8, 256));

    private PolicyTrainer(CausalLM model) {
        super(model, "prompts");
    }

    /**
     * A trainer for {@code model}, which stays the caller's.
     *
     * @param model the policy, with a tokenizer
     * @return the trainer
     */
    public static PolicyTrainer of(CausalLM model) {
        return new PolicyTrainer(Objects.requireNonNull(model, "model"));
    }

    /**
     * What the policy is asked.
     *
     * @param value prompts, with or without answers
     * @return this trainer
     */
    public PolicyTrainer prompts(ExampleDataset value) {
        return dataset(value);
    }

    /**
     * What is learned from answers.
     *
     * @param value GRPO when none is set
     * @return this trainer
     */
    public PolicyTrainer method(PolicyMethod value) {
        method = Objects.requireNonNull(value, "method");
        return this;
    }

    /**
     * How the policy answers.
     *
     * @param value eight answers to a prompt, of 256 tokens at most, when none is set
     * @return this trainer
     */
    public PolicyTrainer rollouts(RolloutOptions value) {
        rollouts = Objects.requireNonNull(value, "rollouts");
        return this;
    }

    /**
     * Adds a reward of weight 1.
     *
     * @param value scores answers; closed with the training
     * @return this trainer
     */
    public PolicyTrainer reward(RewardSource value) {
        return reward(value, 1);
    }

    /**
     * Adds a reward.
     *
     * @param value scores answers; closed with the training
     * @param weight what its scores are multiplied by
     * @return this trainer
     */
    public PolicyTrainer reward(RewardSource value, double weight) {
        rewards.add(Objects.requireNonNull(value, "reward"));
        weights.add(weight);
        return this;
    }

    /**
     * Adds a reward of weight 1 that scores answers one by one.
     *
     * @param name what reports call it
     * @param value scores an answer
     * @return this trainer
     */
    public PolicyTrainer reward(String name, RewardFunction value) {
        return reward(RewardSource.of(name, value));
    }

    /** Prompts are as long as the model can read, less what it answers. */
    @Override
    protected int longestSample() {
        return Integer.MAX_VALUE;
    }

    @Override
    protected boolean measuresSamples() {
        return false;
    }

    @Override
    protected TrainingDataset samples(ExampleDataset records, SupervisedOptions forms) {
        int room = model().network().maxPositions()
                - model().virtualTokens()
                - rollouts.sampling().maxCompletionLength();
        return new PromptSamples(records, new PromptTokenizer(model().tokenizer(), forms), room);
    }

    @Override
    protected void configure(FineTuner training, StageData data) {
        new PolicyTraining(
                        method,
                        rollouts,
                        (loaded, policy) -> new WeightedRewards(List.copyOf(rewards), List.copyOf(weights)))
                .configure(training, model(), (PromptSamples) data.train(), (PromptSamples) data.evaluation());
    }
}
