package org.finetune4j.train.optimizer;

/** A schedule that rises in a straight line from 0 over the warm-up, and then follows a curve to the run's end. */
abstract class WarmedUpSchedule implements LearningRateSchedule {

    private final String type;

    WarmedUpSchedule(String type) {
        this.type = type;
    }

    /** @param progress from 0 at the end of the warm-up to 1 at the end of the run */
    abstract double afterWarmup(double progress);

    @Override
    public final String schedulerType() {
        return type;
    }

    @Override
    public final double factor(long step, long warmupSteps, long totalSteps) {
        if (step < warmupSteps) {
            return (double) step / Math.max(1, warmupSteps);
        }
        double progress = (double) (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
        return Math.max(0, afterWarmup(Math.min(1, progress)));
    }
}
