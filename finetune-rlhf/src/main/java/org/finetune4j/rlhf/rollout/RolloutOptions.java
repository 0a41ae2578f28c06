package org.finetune4j.rlhf.rollout;

import org.finetune4j.UserErrorException;
import org.finetune4j.rlhf.policy.ScoreShaping;

/**
 * How a policy is trained on its own answers, whatever is learned from them. A round has as many answers as {@code miniBatches} steps
 * use; every answer is gone over {@code epochs} times before the policy answers again.
 *
 * @param sampling how it answers
 * @param epochs how often the answers of a round are gone over
 * @param miniBatches steps that a pass over a round has
 * @param shaping what is done with scores
 * @param collapse when the training stops
 * @param samplesPerRound answers of every round that are kept for reading
 */
public record RolloutOptions(
        SamplingOptions sampling,
        int epochs,
        int miniBatches,
        ScoreShaping shaping,
        CollapseLimits collapse,
        int samplesPerRound) {

    /**
     * Refuses numbers that make no round.
     *
     * @param sampling how it answers
     * @param epochs at least 1
     * @param miniBatches at least 1
     * @param shaping what is done with scores
     * @param collapse when the training stops
     * @param samplesPerRound at least 0
     * @throws UserErrorException when a number is outside of its range
     */
    public RolloutOptions {
        if (epochs < 1 || miniBatches < 1 || samplesPerRound < 0) {
            throw new UserErrorException("a round is gone over " + epochs + " times in " + miniBatches
                    + " steps, expected at least 1 of both");
        }
    }

    /**
     * One step a round, scores as they are.
     *
     * @param sampling how the policy answers
     * @return the options
     */
    public static RolloutOptions of(SamplingOptions sampling) {
        return new RolloutOptions(sampling, 1, 1, ScoreShaping.NONE, CollapseLimits.DEFAULT, 2);
    }

    int stepsPerRound() {
        return epochs * miniBatches;
    }
}
