package org.finetune4j.train;

import org.jspecify.annotations.Nullable;

/**
 * How far a run has come: what a checkpoint holds beside weights, optimizer and random state.
 *
 * @param step optimizer steps done
 * @param epoch the epoch that the next batch belongs to, from 0
 * @param batch the next batch of that epoch, from 0
 * @param bestEvaluationLoss the smallest held-out loss so far, or null
 */
public record TrainingProgress(
        long step, int epoch, int batch, @Nullable Double bestEvaluationLoss) {

    static TrainingProgress start() {
        return new TrainingProgress(0, 0, 0, null);
    }
}
