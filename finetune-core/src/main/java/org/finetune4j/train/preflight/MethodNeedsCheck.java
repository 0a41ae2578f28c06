package org.finetune4j.train.preflight;

import org.finetune4j.train.Evaluator;
import org.finetune4j.train.UpdateInBackward;

/** What a run finds out when its steps and its evaluation are made: that they can be. */
public final class MethodNeedsCheck implements PreflightCheck {

    @Override
    public void check(PreflightContext context, Findings findings) {
        if (context.arguments().optimizerInBackward()) {
            UpdateInBackward.requireFreed(context.strategy());
        }
        if (context.evaluation() != null) {
            Evaluator.requireQuestions(
                    context.model(), context.evaluation(), context.arguments().selection());
        }
    }
}
