package org.finetune4j.train.optimizer;

import java.util.Arrays;
import java.util.List;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/**
 * How the learning rate changes over a run, with transformers' formulas. All of them rise in a straight line from 0 over
 * the warm-up steps: the first step of a run with warm-up has the learning rate 0.
 */
public enum LearningRateSchedule {
    /** Stays. */
    CONSTANT("constant", "constant_with_warmup") {
        @Override
        double afterWarmup(double progress) {
            return 1;
        }
    },
    /** Falls in a straight line to 0. */
    LINEAR("linear") {
        @Override
        double afterWarmup(double progress) {
            return 1 - progress;
        }
    },
    /** Falls to 0 along half a cosine wave. */
    COSINE("cosine") {
        @Override
        double afterWarmup(double progress) {
            return 0.5 * (1 + Math.cos(Math.PI * progress));
        }
    };

    private final List<String> names;

    LearningRateSchedule(String... names) {
        this.names = List.of(names);
    }

    /**
     * The schedule that {@code lr_scheduler_type} names.
     *
     * @throws UserErrorException for another name, with the nearest valid one
     */
    public static LearningRateSchedule named(String name) {
        for (LearningRateSchedule schedule : values()) {
            if (schedule.names.contains(name)) {
                return schedule;
            }
        }
        throw new UserErrorException("unknown learning rate schedule '" + name + "'"
                + Suggestions.didYouMean(
                        name,
                        Arrays.stream(values())
                                .flatMap(schedule -> schedule.names.stream())
                                .toList()));
    }

    /** The name in configurations. */
    public String schedulerType() {
        return names.get(0);
    }

    /**
     * What the base learning rate is multiplied by.
     *
     * @param step number of the optimizer step, from 0
     */
    public double factor(long step, long warmupSteps, long totalSteps) {
        if (step < warmupSteps) {
            return (double) step / Math.max(1, warmupSteps);
        }
        double progress = (double) (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
        return Math.max(0, afterWarmup(Math.min(1, progress)));
    }

    /** @param progress from 0 at the end of the warm-up to 1 at the end of the run */
    abstract double afterWarmup(double progress);
}
