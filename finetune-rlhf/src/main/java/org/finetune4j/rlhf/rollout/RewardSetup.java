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

    /**
     * What the rewards take beside the policy's model.
     *
     * @param model the policy's
     * @param policy the method on it
     * @return bytes of models that are read for it; 0 where nothing is
     */
    default long bytes(CausalLM model, AttachedStrategy policy) {
        return 0;
    }

    /**
     * Looks at what will score answers before anything is read for it.
     *
     * @param model the policy's
     * @throws org.finetune4j.UserErrorException when it does not fit the model
     */
    default void check(CausalLM model) {}
}
