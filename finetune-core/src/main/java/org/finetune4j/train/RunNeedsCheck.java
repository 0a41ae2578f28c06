package org.finetune4j.train;

import org.finetune4j.train.preflight.Findings;
import org.finetune4j.train.preflight.PreflightCheck;
import org.finetune4j.train.preflight.PreflightContext;

/**
 * What a run of one process finds out when its steps and its evaluation are made: that they can be. For a preflight without a run; ranks update
 * after the pass, so that their methods may look at gradients.
 */
final class RunNeedsCheck implements PreflightCheck {

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
