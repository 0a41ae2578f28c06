package org.finetune4j.rlhf.rollout;

import org.finetune4j.rlhf.policy.ClippedPolicyLoss;
import org.finetune4j.rlhf.policy.ClippedValueLoss;
import org.finetune4j.rlhf.policy.GeneralizedAdvantage;
import org.finetune4j.rlhf.policy.KlCoefficient;
import org.finetune4j.rlhf.policy.KlEstimator;
import org.finetune4j.rlhf.policy.PpoLoss;

/**
 * PPO.
 *
 * @param coefficient what a nat of divergence from the reference costs
 * @param estimator estimates it at every token
 * @param advantage how rewards and estimates become advantages
 * @param loss the clipped losses
 * @param whitenRewards whether tokens' rewards are brought to variance 1
 * @param entropyCoefficient what a nat of entropy is worth
 * @param ownValueTrunk whether the value head has an adapter of its own below it, and not the policy's
 */
public record PpoOptions(
        KlCoefficient coefficient,
        KlEstimator estimator,
        GeneralizedAdvantage advantage,
        PpoLoss loss,
        boolean whitenRewards,
        double entropyCoefficient,
        boolean ownValueTrunk) {

    /** {@return PPO as TRL has it} */
    public static PpoOptions defaults() {
        return new PpoOptions(
                new KlCoefficient.Fixed(0.05),
                KlEstimator.K1,
                new GeneralizedAdvantage(1, 0.95),
                new PpoLoss(ClippedPolicyLoss.of(0.2), new ClippedValueLoss(0.2), 0.1),
                false,
                0,
                false);
    }
}
