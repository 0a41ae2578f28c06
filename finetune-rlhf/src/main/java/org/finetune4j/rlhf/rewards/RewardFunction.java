package org.finetune4j.rlhf.rewards;

/** Scores one answer; what most rewards are. A class with such a method can be named in a configuration. */
@FunctionalInterface
public interface RewardFunction {

    /**
     * The score of an answer.
     *
     * @param request the answer
     * @return a finite number, the more the better
     * @throws org.finetune4j.UserErrorException when the answer cannot be scored; the training then stops with a checkpoint
     */
    double score(RewardRequest request);
}
