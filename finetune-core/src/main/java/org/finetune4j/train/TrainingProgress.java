package org.finetune4j.train;

import org.jspecify.annotations.Nullable;

/**
 * How far a run has come: what a checkpoint holds beside weights, optimizer and random state.
 *
 * @param step optimizer steps done
 * @param epoch the epoch that the next batch belongs to, from 0
 * @param batch the next batch of that epoch, from 0
 * @param bestEvaluationLoss the smallest held-out loss so far, or null
 * @param bestMetric the best value so far of the metric that decides, or null
 * @param evaluationsSinceBest evaluations in a row that were no improvement
 */
public record TrainingProgress(
        long step,
        int epoch,
        int batch,
        @Nullable Double bestEvaluationLoss,
        @Nullable Double bestMetric,
        int evaluationsSinceBest) {

    static TrainingProgress start() {
        return new TrainingProgress(0, 0, 0, null, null, 0);
    }

    /** After one more step over {@code batches} batches. */
    TrainingProgress advance(int batches, int batchesPerEpoch) {
        int next = batch + batches;
        boolean epochEnds = next >= batchesPerEpoch;
        return new TrainingProgress(
                step + 1,
                epochEnds ? epoch + 1 : epoch,
                epochEnds ? 0 : next,
                bestEvaluationLoss,
                bestMetric,
                evaluationsSinceBest);
    }

    TrainingProgress evaluated(double loss, @Nullable Double newBestMetric, int newEvaluationsSinceBest) {
        Double best = bestEvaluationLoss;
        return new TrainingProgress(
                step, epoch, batch, best == null || loss < best ? loss : best, newBestMetric, newEvaluationsSinceBest);
    }
}
