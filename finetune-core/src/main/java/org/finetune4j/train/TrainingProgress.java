package org.finetune4j.train;

import org.jspecify.annotations.Nullable;

/**
 * How far a run has come: what a checkpoint holds beside weights, optimizer and random state.
 *
 * @param step optimizer steps done
 * @param epoch the epoch that the next batch belongs to, from 0
 * @param batch the next batch of that epoch, from 0
 * @param lastLoss loss of the last step, or null before the first
 * @param bestEvaluationLoss the smallest held-out loss so far, or null
 * @param best the best evaluation so far by the metric that decides, or null
 * @param evaluationsSinceBest evaluations in a row that were no improvement
 */
record TrainingProgress(
        long step,
        int epoch,
        int batch,
        @Nullable Double lastLoss,
        @Nullable Double bestEvaluationLoss,
        @Nullable BestEvaluation best,
        int evaluationsSinceBest) {

    static TrainingProgress start() {
        return new TrainingProgress(0, 0, 0, null, null, null, 0);
    }

    /** After one more step over {@code batches} batches. */
    TrainingProgress advance(int batches, int batchesPerEpoch, double loss) {
        int next = batch + batches;
        boolean epochEnds = next >= batchesPerEpoch;
        return new TrainingProgress(
                step + 1,
                epochEnds ? epoch + 1 : epoch,
                epochEnds ? 0 : next,
                loss,
                bestEvaluationLoss,
                best,
                evaluationsSinceBest);
    }

    /** After an evaluation. A loss that is no number is not the smallest one. */
    TrainingProgress evaluated(double loss, @Nullable BestEvaluation newBest, int newEvaluationsSinceBest) {
        Double smallest = bestEvaluationLoss;
        boolean smaller = Double.isFinite(loss) && (smallest == null || loss < smallest);
        return new TrainingProgress(
                step, epoch, batch, lastLoss, smaller ? (Double) loss : smallest, newBest, newEvaluationsSinceBest);
    }

    /** The same place in the run, where the search for the best begins anew. */
    TrainingProgress withoutBest(boolean keepLoss) {
        return new TrainingProgress(step, epoch, batch, lastLoss, keepLoss ? bestEvaluationLoss : null, null, 0);
    }
}
