package org.finetune4j.rlhf.rollout;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.supervised.ChatTemplateRenderer;
import org.finetune4j.data.supervised.PromptTokenizer;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.rlhf.rewards.RewardFunction;
import org.finetune4j.rlhf.rewards.RewardSource;
import org.finetune4j.rlhf.rewards.WeightedRewards;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.TrainingArguments;
import org.jspecify.annotations.Nullable;

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
public final class PolicyTrainer {

    private final CausalLM model;
    private final FineTuner tuner;
    private final List<RewardSource> rewards = new ArrayList<>();
    private final List<Double> weights = new ArrayList<>();
    private @Nullable ExampleDataset prompts;
    private @Nullable ExampleDataset heldOut;
    private @Nullable SupervisedOptions tokenization;
    private PolicyMethod method = new PolicyMethod.Group(GroupOptions.grpo());
    private RolloutOptions rollouts = RolloutOptions.of(SamplingOptions.of(8, 256));

    private PolicyTrainer(CausalLM model) {
        this.model = model;
        this.tuner = FineTuner.of(model);
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
     * What trains on the model; the reference is the model without it.
     *
     * @param value the method with its settings; full fine-tuning when none is set, which needs a second copy of the weights
     * @return this trainer
     */
    public PolicyTrainer strategy(FineTuningStrategy value) {
        tuner.strategy(value);
        return this;
    }

    /**
     * What the policy is asked.
     *
     * @param value prompts, with or without answers
     * @return this trainer
     */
    public PolicyTrainer prompts(ExampleDataset value) {
        prompts = Objects.requireNonNull(value, "prompts");
        return this;
    }

    /**
     * Prompts to measure the policy by.
     *
     * @param value prompts that are not trained on
     * @return this trainer
     */
    public PolicyTrainer evaluation(ExampleDataset value) {
        heldOut = Objects.requireNonNull(value, "evaluation");
        return this;
    }

    /**
     * How prompts are put into words; as {@link FineTuner} does it when nothing is set.
     *
     * @param value prompt and chat template
     * @return this trainer
     */
    public PolicyTrainer tokenization(SupervisedOptions value) {
        tokenization = Objects.requireNonNull(value, "tokenization");
        return this;
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

    /**
     * How to train. A step has {@code perDeviceTrainBatchSize * gradientAccumulationSteps} answers.
     *
     * @param value the defaults when nothing is set
     * @return this trainer
     */
    public PolicyTrainer arguments(TrainingArguments value) {
        tuner.arguments(value);
        return this;
    }

    /**
     * Adds a listener.
     *
     * @param value is told what happens, after those added before
     * @return this trainer
     */
    public PolicyTrainer listener(TrainingListener value) {
        tuner.listener(value);
        return this;
    }

    /**
     * Who is told the memory plan and warnings; the log when nobody is set.
     *
     * @param value is given one line each time
     * @return this trainer
     */
    public PolicyTrainer messages(Consumer<String> value) {
        tuner.messages(value);
        return this;
    }

    /** Asks a running {@link #train} to stop after the present step, with a checkpoint. Any thread may ask. */
    public void requestStop() {
        tuner.requestStop();
    }

    /**
     * Trains.
     *
     * @return the trained policy and how the run went
     * @throws UserErrorException when prompts, rewards, settings and model do not fit together; the message says what to change
     */
    public TrainingResult train() {
        if (prompts == null) {
            throw new UserErrorException("there is nothing to answer: set prompts");
        }
        PolicyTraining training = new PolicyTraining(
                method, rollouts, (loaded, policy) -> new WeightedRewards(List.copyOf(rewards), List.copyOf(weights)));
        PromptSamples asked = samples(prompts);
        PromptSamples measured = heldOut == null ? null : samples(heldOut);
        tuner.dataset(asked);
        training.configure(tuner, model, asked, measured);
        return tuner.train();
    }

    private PromptSamples samples(ExampleDataset examples) {
        SupervisedOptions options = tokenization == null
                ? SupervisedOptions.builder()
                        .maxLength(model.network().maxPositions())
                        .renderer(model.chatTemplate()
                                .map(ChatTemplateRenderer::new)
                                .orElse(null))
                        .build()
                : tokenization;
        int room = model.network().maxPositions()
                - model.virtualTokens()
                - rollouts.sampling().maxCompletionLength();
        return new PromptSamples(examples, new PromptTokenizer(model.tokenizer(), options), room);
    }
}
