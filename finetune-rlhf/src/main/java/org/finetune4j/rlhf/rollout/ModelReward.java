package org.finetune4j.rlhf.rollout;

import java.nio.file.Path;
import org.finetune4j.model.CausalLM;
import org.finetune4j.rlhf.rewards.RewardSource;

/** placeholder until the reward model lands */
final class ModelReward {
    private ModelReward() {}

    static RewardSource open(Path directory, CausalLM policy) {
        throw new UnsupportedOperationException();
    }
}
