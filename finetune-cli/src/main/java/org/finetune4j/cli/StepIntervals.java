package org.finetune4j.cli;

import java.util.List;
import java.util.Locale;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.train.arguments.StepInterval;

/**
 * How often a run evaluates, saves and logs: transformers' {@code eval_strategy} with {@code eval_steps}, and so on. Without
 * a strategy a number of steps decides, else the end of every epoch (every step, for what is logged).
 *
 * @param evaluation how often held-out samples are measured
 * @param checkpoints how often a checkpoint is written
 * @param logging which steps reports are told of
 * @param firstStep whether reports are told of the first step as well
 */
record StepIntervals(StepInterval evaluation, StepInterval checkpoints, StepInterval logging, boolean firstStep) {

    private static final StepInterval EVERY_STEP = StepInterval.every(1);

    /**
     * Reads the keys.
     *
     * @throws UserErrorException for a value that cannot be used, or evaluations that are needed and turned off
     */
    static StepIntervals of(Settings settings) {
        StepInterval logging = interval(settings, "logging", EVERY_STEP, StepInterval.every(500));
        // As in transformers, evaluations that are asked for in steps come as often as the log.
        StepInterval evaluation = interval(
                settings,
                "eval",
                StepInterval.EPOCH,
                settings.has("logging_steps") ? logging : StepInterval.every(500));
        if (evaluation.equals(StepInterval.NEVER)) {
            String expected = "an eval_strategy other than no beside it";
            if (settings.flag("load_best_model_at_end", false)) {
                throw settings.invalid("load_best_model_at_end", expected);
            }
            if (settings.integer("early_stopping_patience", 0, 0) > 0) {
                throw settings.invalid("early_stopping_patience", expected);
            }
        }
        return new StepIntervals(
                evaluation,
                interval(settings, "save", StepInterval.EPOCH, StepInterval.every(500)),
                logging,
                settings.flag("logging_first_step", false));
    }

    /**
     * One pair of keys.
     *
     * @param fallback where neither key is given
     * @param ofSteps where the strategy is steps and no number is given
     */
    private static StepInterval interval(Settings settings, String what, StepInterval fallback, StepInterval ofSteps) {
        String strategyKey = what + "_strategy";
        String stepsKey = what + "_steps";
        double steps = settings.number(stepsKey, 0, 0, Integer.MAX_VALUE);
        if (steps > 1 && steps != Math.rint(steps)) {
            throw settings.invalid(stepsKey, "a whole number, or a share of all steps below 1");
        }
        String strategy = settings.text(strategyKey).orElse("").toLowerCase(Locale.ROOT);
        return switch (strategy) {
            case "" -> steps > 0 ? new StepInterval(steps) : fallback;
            case "steps" -> steps > 0 ? new StepInterval(steps) : ofSteps;
            case "epoch" -> StepInterval.EPOCH;
            case "no", "false" -> StepInterval.NEVER;
            case "best" ->
                throw settings.invalid(strategyKey, "steps, epoch or no: the best model is always kept in best");
            default ->
                throw new UserErrorException(settings.origin() + ": '" + strategyKey + "' is " + strategy
                        + Suggestions.among(strategy, List.of("no", "steps", "epoch")));
        };
    }
}
