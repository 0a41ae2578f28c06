package org.finetune4j.train.arguments;

/**
 * How often something happens in a run, with the meanings of transformers' {@code eval_steps}, {@code save_steps} and {@code
 * logging_steps} and their strategies.
 *
 * @param steps optimizer steps from one time to the next; below 1 a share of the whole run's steps, 0 at the end of every
 *     epoch, infinite for never
 */
public record StepInterval(double steps) {

    /** At the end of every epoch. */
    public static final StepInterval EPOCH = new StepInterval(0);

    /** Not at all. */
    public static final StepInterval NEVER = new StepInterval(Double.POSITIVE_INFINITY);

    /**
     * Checks the number.
     *
     * @param steps below 1 a share of the whole run, 0 at the end of every epoch, infinite for never
     * @throws IllegalArgumentException when it is negative or no number
     */
    public StepInterval {
        if (!(steps >= 0)) {
            throw new IllegalArgumentException("an interval must not be negative: " + steps);
        }
    }

    /**
     * So many steps from one time to the next.
     *
     * @param steps a number of steps, or 0 for the end of every epoch
     * @return the interval
     */
    public static StepInterval every(long steps) {
        return new StepInterval(steps);
    }

    /**
     * Whether it is time after a step.
     *
     * @param step number of the step, from 1
     * @param totalSteps steps of the whole run
     * @param atBoundary whether an epoch has just ended
     * @return whether it is time
     */
    public boolean isDue(long step, long totalSteps, boolean atBoundary) {
        if (steps == 0) {
            return atBoundary;
        }
        if (this.equals(NEVER)) {
            return false;
        }
        long whole = steps < 1 ? (long) Math.ceil(totalSteps * steps) : (long) steps;
        return step % Math.max(1, whole) == 0;
    }
}
