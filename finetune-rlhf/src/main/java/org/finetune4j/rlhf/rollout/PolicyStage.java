package org.finetune4j.rlhf.rollout;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.PreferencePair;
import org.finetune4j.data.format.PromptOnly;
import org.finetune4j.data.format.Supervised;
import org.finetune4j.data.format.UnpairedPreference;
import org.finetune4j.data.supervised.PromptTokenizer;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.stage.Stage;
import org.finetune4j.train.stage.StageData;

/** A training of a policy as configurations have it. */
final class PolicyStage implements Stage {

    private final String name;
    private final PolicyTraining training;
    private final RewardPlan rewards;
    private final int maxPromptLength;

    PolicyStage(String name, PolicyMethod method, RolloutOptions options, RewardPlan rewards, int maxPromptLength) {
        this.name = name;
        this.training = new PolicyTraining(method, options, rewards);
        this.rewards = rewards;
        this.maxPromptLength = maxPromptLength;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public Map<String, Object> settings() {
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("stage", name);
        settings.put("policy", training.method().toString());
        settings.put("rollouts", training.options().toString());
        return settings;
    }

    @Override
    public Set<Class<? extends Example>> kinds() {
        return Set.of(PromptOnly.class, Supervised.class, PreferencePair.class, UnpairedPreference.class);
    }

    @Override
    public String records() {
        return "prompts, with or without an answer";
    }

    @Override
    public void require(ExampleDataset examples) {
        rewards.require();
        Stage.super.require(examples);
    }

    @Override
    public TrainingDataset samples(ExampleDataset examples, CausalLM model, SupervisedOptions options) {
        int answer = training.options().sampling().maxCompletionLength();
        int room = model.network().maxPositions() - model.virtualTokens() - answer;
        if (room < 1) {
            throw new UserErrorException("max_completion_length is " + answer + ", but the model sees "
                    + model.network().maxPositions() + " tokens, prompt and answer");
        }
        return new PromptSamples(
                examples, new PromptTokenizer(model.tokenizer(), options), Math.min(maxPromptLength, room));
    }

    @Override
    public void configure(FineTuner tuner, StageData data) {
        PromptSamples heldOut = data.evaluation() instanceof PromptSamples own ? own : null;
        training.configure(tuner, data.model(), (PromptSamples) data.train(), heldOut);
    }
}
