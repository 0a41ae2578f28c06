package org.finetune4j.train;

import org.finetune4j.train.arguments.TrainingArguments;

/**
 * How batches make optimizer steps, and how many there are.
 *
 * @param batchesPerEpoch batches in one pass over the data
 * @param accumulation batches of one optimizer step; the last step of an epoch may have fewer
 * @param totalSteps optimizer steps of the whole run
 */
record StepPlan(int batchesPerEpoch, int accumulation, long totalSteps) {

    static StepPlan of(TrainingArguments arguments, int batchesPerEpoch) {
        int accumulation = arguments.gradientAccumulationSteps();
        long stepsPerEpoch = stepsPerEpoch(batchesPerEpoch, accumulation);
        long steps =
                arguments.maxSteps() > 0 ? arguments.maxSteps() : (long) Math.ceil(arguments.epochs() * stepsPerEpoch);
        return new StepPlan(batchesPerEpoch, accumulation, steps);
    }

    /** Passes over the data that the run makes. */
    double totalEpochs() {
        return (double) totalSteps / stepsPerEpoch();
    }

    long stepsPerEpoch() {
        return stepsPerEpoch(batchesPerEpoch, accumulation);
    }

    /** Batches of the step that starts at {@code batch}. */
    int batchesOfStep(int batch) {
        return Math.min(accumulation, batchesPerEpoch - batch);
    }

    private static long stepsPerEpoch(int batchesPerEpoch, int accumulation) {
        return ((long) batchesPerEpoch + accumulation - 1) / accumulation;
    }
}
