package org.finetune4j.train.optimizer;

/**
 * How the learning rate changes over a run. The named ones have transformers' formulas: they rise in a straight line from
 * 0 over the warm-up steps, so the first step of a run with warm-up has the learning rate 0.
 */
public interface LearningRateSchedule {

    /** Stays, without warm-up. */
    LearningRateSchedule CONSTANT = new ConstantSchedule(false);

    /** Falls in a straight line to 0. */
    LearningRateSchedule LINEAR = new PolynomialSchedule("linear", 0, 1);

    /** Falls to 0 along half a cosine wave. */
    LearningRateSchedule COSINE = new CosineSchedule("cosine", 0.5, 0);

    /** {@return the name in configurations} */
    String schedulerType();

    /**
     * What the base learning rate is multiplied by.
     *
     * @param step number of the optimizer step, from 0
     * @param warmupSteps steps over which it rises
     * @param totalSteps optimizer steps of the whole run
     * @return the factor, at least 0
     */
    double factor(long step, long warmupSteps, long totalSteps);

    /**
     * The schedule of this name with its default settings.
     *
     * @param name as {@code lr_scheduler_type} names it
     * @return the schedule
     * @throws org.finetune4j.UserErrorException for another name, with the nearest valid one
     */
    static LearningRateSchedule named(String name) {
        return Schedules.named(name, ScheduleOptions.none());
    }

    /**
     * The schedule of this name.
     *
     * @param name as {@code lr_scheduler_type} names it
     * @param options {@code lr_scheduler_kwargs}
     * @return the schedule
     * @throws org.finetune4j.UserErrorException for another name, or a setting that the schedule does not have
     */
    static LearningRateSchedule named(String name, ScheduleOptions options) {
        return Schedules.named(name, options);
    }
}
