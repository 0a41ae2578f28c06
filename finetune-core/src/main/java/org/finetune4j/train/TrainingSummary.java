package org.finetune4j.train;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * How a training run ended.
 *
 * @param steps optimizer steps done, those before a resume included
 * @param finalLoss loss of the last step, mean per labelled token; NaN when no step was run
 * @param bestEvaluationLoss smallest held-out loss seen, where the run evaluated
 * @param elapsed wall time since this start of the run
 * @param tokensPerSecond tokens of all steps since this start by {@code elapsed}
 * @param interrupted whether it stopped early on request; such a run can be resumed
 */
public record TrainingSummary(
        long steps,
        double finalLoss,
        @Nullable Double bestEvaluationLoss,
        Duration elapsed,
        double tokensPerSecond,
        boolean interrupted) {}
