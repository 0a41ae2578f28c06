package org.finetune4j.train.optimizer;

/** {@code constant}: always 1. {@code constant_with_warmup}: 1 after the warm-up. */
final class ConstantSchedule implements LearningRateSchedule {

    private final boolean warmedUp;

    ConstantSchedule(boolean warmedUp) {
        this.warmedUp = warmedUp;
    }

    @Override
    public String schedulerType() {
        return warmedUp ? "constant_with_warmup" : "constant";
    }

    @Override
    public double factor(long step, long warmupSteps, long totalSteps) {
        return warmedUp && step < warmupSteps ? (double) step / Math.max(1, warmupSteps) : 1;
    }
}
