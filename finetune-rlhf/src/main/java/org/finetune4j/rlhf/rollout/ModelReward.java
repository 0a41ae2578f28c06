package org.finetune4j.rlhf.rollout;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.finetune4j.model.CausalLM;
import org.finetune4j.rlhf.reward.RewardModel;
import org.finetune4j.rlhf.rewards.RewardRequest;
import org.finetune4j.rlhf.rewards.RewardSource;
import org.finetune4j.strategy.AttachedStrategy;

/** Scores answers by a reward model, as the tokens that the policy drew. */
final class ModelReward implements RewardSource {

    static final String NAME = "reward_model";

    private final RewardModel model;

    private ModelReward(RewardModel model) {
        this.model = model;
    }

    /**
     * Opens a reward model: an adapter for the policy's own base shares it, any other one brings weights of its own.
     *
     * @throws org.finetune4j.UserErrorException when it is none, is broken, or has another tokenizer than the policy
     */
    static RewardSource open(Path directory, CausalLM policy, AttachedStrategy method) {
        Optional<SharedBaseReward> shared = SharedBaseReward.open(directory, policy, method);
        if (shared.isPresent()) {
            return shared.get();
        }
        RewardModel model = RewardModel.load(directory);
        try {
            model.requireSameTokens(policy.tokenizer());
            return new ModelReward(model);
        } catch (RuntimeException | Error e) {
            model.close();
            throw e;
        }
    }

    /** Prompt and answer in one. */
    static int[] sequence(RewardRequest request) {
        int[] prompt = request.tokens().prompt();
        int[] answer = request.tokens().completion();
        int[] all = Arrays.copyOf(prompt, prompt.length + answer.length);
        System.arraycopy(answer, 0, all, prompt.length, answer.length);
        return all;
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public boolean isOfEveryRank() {
        return true;
    }

    @Override
    public double[] scores(List<RewardRequest> requests) {
        return model.scoreTokens(requests.stream().map(ModelReward::sequence).toList());
    }

    @Override
    public void close() {
        model.close();
    }
}
