package org.finetune4j.rlhf.rollout;

import org.finetune4j.rlhf.policy.ClippedPolicyLoss;
import org.finetune4j.rlhf.policy.GroupAdvantages;
import org.finetune4j.rlhf.policy.GroupPolicyLoss;
import org.finetune4j.rlhf.policy.KlEstimator;
import org.finetune4j.rlhf.policy.LossAggregation;

/**
 * A group method.
 *
 * @param advantages how answers of a group are compared
 * @param level what has a ratio of its own
 * @param clip the range of a ratio
 * @param beta what a nat of divergence from the reference costs
 * @param klInReward whether the divergence is taken off the reward of the whole answer, and not added to the loss of its tokens
 * @param aggregation how the losses of tokens become that of a step
 * @param normalizeAdvantages whether advantages are brought to mean 0 and deviation 1 over the round besides
 * @param entropyCoefficient what a nat of entropy is worth
 */
public record GroupOptions(
        GroupAdvantages advantages,
        GroupPolicyLoss.Level level,
        ClippedPolicyLoss clip,
        double beta,
        boolean klInReward,
        LossAggregation aggregation,
        boolean normalizeAdvantages,
        double entropyCoefficient) {

    /** {@return GRPO as TRL has it: groups scaled by their deviation, DAPO's mean over tokens, no reference} */
    public static GroupOptions grpo() {
        return new GroupOptions(
                GroupAdvantages.GROUP,
                GroupPolicyLoss.Level.TOKEN,
                ClippedPolicyLoss.of(0.2),
                0,
                false,
                LossAggregation.DAPO,
                false,
                0);
    }

    /** {@return RLOO as TRL has it} */
    public static GroupOptions rloo() {
        return new GroupOptions(
                GroupAdvantages.LEAVE_ONE_OUT,
                GroupPolicyLoss.Level.WHOLE_SEQUENCE,
                ClippedPolicyLoss.of(0.2),
                0.05,
                true,
                LossAggregation.GRPO,
                false,
                0);
    }

    /** {@return REINFORCE++: rewards less the divergence, scaled over the whole round} */
    public static GroupOptions reinforcePlusPlus() {
        return new GroupOptions(
                GroupAdvantages.GLOBAL,
                GroupPolicyLoss.Level.TOKEN,
                ClippedPolicyLoss.of(0.2),
                0.01,
                true,
                LossAggregation.BNPO,
                false,
                0);
    }

    GroupPolicyLoss loss() {
        return new GroupPolicyLoss(clip, level, klInReward ? 0 : beta, KlEstimator.K3);
    }
}
