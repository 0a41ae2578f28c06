package org.finetune4j.rlhf.policy;

import java.util.Arrays;

/**
 * What is done with the scores of answers before anything is learned from them.
 *
 * @param missingEndPenalty subtracted from an answer that does not end by itself
 * @param normalize whether scores are divided by the deviation of all so far, about their mean
 * @param clip scores are held within this distance of 0; infinite for as they are
 */
public record ScoreShaping(double missingEndPenalty, boolean normalize, double clip) {

    /** Scores as they are. */
    public static final ScoreShaping NONE = new ScoreShaping(0, false, Double.POSITIVE_INFINITY);

    private static final double EPSILON = 1e-8;

    /**
     * The scores of a step, normalised, held within their range, and with the penalty.
     *
     * @param scores one an answer
     * @param ended whether each answer ends by itself
     * @param seen of all scores so far, those of this step too
     * @return one number an answer
     */
    public double[] of(double[] scores, boolean[] ended, RunningStatistics seen) {
        Answers.requireSameCount(scores.length, ended.length);
        double[] shaped = Arrays.copyOf(scores, scores.length);
        for (int i = 0; i < shaped.length; i++) {
            if (normalize) {
                shaped[i] = (shaped[i] - seen.mean()) / (seen.deviation() + EPSILON);
            }
            shaped[i] = Math.max(-clip, Math.min(clip, shaped[i]));
            if (!ended[i]) {
                shaped[i] -= missingEndPenalty;
            }
        }
        return shaped;
    }
}
