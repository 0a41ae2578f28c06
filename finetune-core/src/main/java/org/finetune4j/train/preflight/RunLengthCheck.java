package org.finetune4j.train.preflight;

import org.finetune4j.train.arguments.TrainingArguments;

/** Effective batch and epochs are of a usual size: 32 to 128 samples a step, 1 to 3 passes. Half and double of that pass. */
public final class RunLengthCheck implements PreflightCheck {

    @Override
    public void check(PreflightContext context, Findings findings) {
        TrainingArguments arguments = context.arguments();
        long batch = (long) arguments.perDeviceTrainBatchSize() * arguments.gradientAccumulationSteps();
        if (batch > context.dataset().size()) {
            findings.warning("a step takes " + batch + " samples, but there are only "
                    + context.dataset().size()
                    + ": every epoch is one step; lower gradient_accumulation_steps or per_device_train_batch_size");
        } else if (batch < 16 || batch > 256) {
            findings.warning("a step takes " + batch + " samples (per_device_train_batch_size x"
                    + " gradient_accumulation_steps); 32 to 128 is usual");
        }
        if (arguments.maxSteps() <= 0 && arguments.epochs() > 6) {
            findings.warning("num_train_epochs is " + arguments.epochs()
                    + "; 1 to 3 is usual, more of them learn the samples by heart: watch the held-out loss, or set"
                    + " early_stopping_patience");
        }
    }
}
