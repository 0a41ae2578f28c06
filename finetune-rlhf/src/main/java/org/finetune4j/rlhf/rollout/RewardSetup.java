package org.finetune4j.rlhf.rollout;

import org.finetune4j.model.CausalLM;
import org.finetune4j.rlhf.rewards.WeightedRewards;
import org.finetune4j.strategy.AttachedStrategy;

/** Opens what scores answers, once the model and what trains on it are there: a reward model can share their base. */
@FunctionalInterface
public interface RewardSetup {

    /**
     * Opens the rewards of a run.
     *
     * @param model the policy's
     * @param policy the method on it, which is on the model when scores are asked for
     * @return the rewards, which the run closes
     * @throws org.finetune4j.UserErrorException when something is not there, or does not fit the model
     */
    WeightedRewards open(CausalLM model, AttachedStrategy policy);
}
