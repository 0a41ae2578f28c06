package org.finetune4j.train.optimizer;

/** {@code 1 / sqrt((step + timescale - warmup) / timescale)} after the warm-up; it does not look at the run's length. */
final class InverseSqrtSchedule implements LearningRateSchedule {

    private static final long DEFAULT_TIMESCALE = 10_000;

    private final long timescale;

    /** @param timescale 0 for the number of warm-up steps, or 10,000 without warm-up */
    InverseSqrtSchedule(long timescale) {
        this.timescale = timescale;
    }

    @Override
    public String schedulerType() {
        return "inverse_sqrt";
    }

    @Override
    public double factor(long step, long warmupSteps, long totalSteps) {
        if (step < warmupSteps) {
            return (double) step / Math.max(1, warmupSteps);
        }
        double scale = timescale > 0 ? timescale : warmupSteps > 0 ? warmupSteps : DEFAULT_TIMESCALE;
        return 1 / Math.sqrt((step + scale - warmupSteps) / scale);
    }
}
