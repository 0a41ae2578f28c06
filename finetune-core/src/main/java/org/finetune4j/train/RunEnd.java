package org.finetune4j.train;

import java.util.Optional;
import org.finetune4j.train.steps.StepSource;
import org.finetune4j.train.steps.StepsEnd;

/**
 * Why a run goes no further.
 *
 * @param reason what ended it
 * @param explanation the same for people
 */
record RunEnd(EndReason reason, String explanation) {

    /** Of a run whose loop has ended. */
    static RunEnd of(StepSource source, TrainingProgress progress, long totalSteps, BestModel best) {
        Optional<StepsEnd> sourceEnd = source.end();
        if (sourceEnd.isPresent()) {
            EndReason reason = sourceEnd.get().collapsed() ? EndReason.COLLAPSED : EndReason.COMPLETED;
            return new RunEnd(reason, sourceEnd.get().explanation());
        }
        if (progress.step() >= totalSteps) {
            return new RunEnd(EndReason.COMPLETED, "all " + totalSteps + " steps are done");
        }
        return best.isExhausted(progress)
                ? new RunEnd(EndReason.EARLY_STOPPING, best.explain(progress))
                : new RunEnd(
                        EndReason.INTERRUPTED,
                        "stopped on request after step " + progress.step() + " of " + totalSteps);
    }

    /** @param nothingDone whether it had ended so before, and was resumed for nothing */
    String explain(boolean nothingDone) {
        return nothingDone && reason != EndReason.INTERRUPTED
                ? explanation + "; the run was complete already, nothing was trained"
                : explanation;
    }
}
