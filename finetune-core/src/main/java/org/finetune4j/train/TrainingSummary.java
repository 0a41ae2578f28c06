package org.finetune4j.train;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * How a training run ended.
 *
 * @param steps optimizer steps done, those before a resume included
 * @param finalLoss loss of the last step, mean per labelled token; null when no step was ever run
 * @param bestEvaluationLoss smallest held-out loss seen, where the run evaluated
 * @param elapsed wall time since this start of the run
 * @param tokensPerSecond tokens of all steps since this start by {@code elapsed}
 * @param reason why it ended
 * @param explanation the same for people, one line
 */
public record TrainingSummary(
        long steps,
        @Nullable Double finalLoss,
        @Nullable Double bestEvaluationLoss,
        Duration elapsed,
        double tokensPerSecond,
        EndReason reason,
        String explanation) {

    /**
     * Whether it stopped early on request.
     *
     * @return whether it did; such a run can be resumed
     */
    public boolean interrupted() {
        return reason == EndReason.INTERRUPTED;
    }
}
