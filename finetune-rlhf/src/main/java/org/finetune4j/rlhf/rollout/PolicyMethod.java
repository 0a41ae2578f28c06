package org.finetune4j.rlhf.rollout;

import org.finetune4j.rlhf.preference.loss.PairLosses;

/** What a policy learns from its answers. */
public sealed interface PolicyMethod {

    /**
     * PPO (Schulman et al. 2017, arXiv:1707.06347; Ziegler et al. 2019, arXiv:1909.08593).
     *
     * @param options its settings
     */
    record Ppo(PpoOptions options) implements PolicyMethod {}

    /**
     * GRPO, RLOO, REINFORCE++ and what lies between them.
     *
     * @param options its settings
     */
    record Group(GroupOptions options) implements PolicyMethod {}

    /**
     * Online DPO: the best of a prompt's answers is preferred to the worst.
     *
     * @param lossType TRL's name of the loss
     * @param beta how much a log-ratio counts
     */
    record OnlineDpo(String lossType, double beta) implements PolicyMethod {

        /**
         * Refuses a loss that there is not.
         *
         * @param lossType TRL's name of the loss
         * @param beta how much a log-ratio counts
         * @throws org.finetune4j.UserErrorException when there is none of this name
         */
        public OnlineDpo {
            PairLosses.named(lossType, beta, 0);
        }
    }

    /**
     * Fine-tuning on the best of n answers.
     *
     * @param threshold rewards below it are not learned; negative infinity for none
     */
    record BestOfN(double threshold) implements PolicyMethod {}
}
