package org.finetune4j.train;

import org.jspecify.annotations.Nullable;

/**
 * How far a run has come: what a checkpoint holds beside weights, optimizer, random state and the place in its data.
 *
 * @param step optimizer steps done
 * @param lastLoss loss of the last step, or null before the first
 * @param bestEvaluationLoss the smallest held-out loss so far, or null
 * @param best the best evaluation so far by the metric that decides, or null
 * @param evaluationsSinceBest evaluations in a row that were no improvement
 */
record TrainingProgress(
        long step,
        @Nullable Double lastLoss,
        @Nullable Double bestEvaluationLoss,
        @Nullable BestEvaluation best,
        int evaluationsSinceBest) {

    static TrainingProgress start() {
        return new TrainingProgress(0, null, null, null, 0);
    }

    /** After one more step. */
    TrainingProgress advance(double loss) {
        return new TrainingProgress(step + 1, loss, bestEvaluationLoss, best, evaluationsSinceBest);
    }

    /** After an evaluation. A loss that is no number is not the smallest one. */
    TrainingProgress evaluated(double loss, @Nullable BestEvaluation newBest, int newEvaluationsSinceBest) {
        Double smallest = bestEvaluationLoss;
        boolean smaller = Double.isFinite(loss) && (smallest == null || loss < smallest);
        return new TrainingProgress(
                step, lastLoss, smaller ? (Double) loss : smallest, newBest, newEvaluationsSinceBest);
    }

    /** The same place in the run, where the search for the best begins anew. */
    TrainingProgress withoutBest(boolean keepLoss) {
        return new TrainingProgress(step, lastLoss, keepLoss ? bestEvaluationLoss : null, null, 0);
    }
}
