package org.finetune4j.train.preflight;

import org.finetune4j.train.arguments.ModelSelection;
import org.finetune4j.train.arguments.TrainingArguments;

/** Warm-up, evaluation and stopping fit together. */
public final class ScheduleCheck implements PreflightCheck {

    @Override
    public void check(PreflightContext context, Findings findings) {
        TrainingArguments arguments = context.arguments();
        boolean warmsUp = arguments.warmupSteps() > 0 || arguments.warmupRatio() > 0;
        if (warmsUp && arguments.schedule().schedulerType().equals("constant")) {
            findings.warning("lr_scheduler_type constant knows no warm-up: use constant_with_warmup");
        }
        if (arguments.maxSteps() > 0 && arguments.warmupSteps() >= arguments.maxSteps()) {
            findings.warning("warmup_steps is " + arguments.warmupSteps() + " of " + arguments.maxSteps()
                    + " steps: the learning rate never reaches its value; lower it");
        }
        ModelSelection selection = arguments.selection();
        boolean needsEvaluation = selection.loadBestAtEnd()
                || selection.earlyStoppingPatience() > 0
                || !selection.metrics().isEmpty();
        if (needsEvaluation && context.evaluation() == null && !context.measuresItself()) {
            findings.error("eval_metrics, load_best_model_at_end and early_stopping_patience need held-out samples:"
                    + " set eval_file or eval_fraction");
        }
        if (selection.loadBestAtEnd() && arguments.outputDirectory() == null) {
            findings.error("load_best_model_at_end needs an output directory to keep the best model in");
        }
    }
}
