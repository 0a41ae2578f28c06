package org.finetune4j.rlhf.rollout;

import java.util.List;

/**
 * The answers of one round, group after group, with what they earned.
 *
 * @param episodes the answers
 * @param rewards what is learned from: scores after shaping, one an answer
 * @param groupSize answers to a prompt
 * @param number of the round, from 0
 */
record ScoredRound(List<Episode> episodes, double[] rewards, int groupSize, long number) {

    List<TrainedAnswer> answers() {
        return episodes.stream().map(TrainedAnswer::of).toList();
    }
}
