package org.finetune4j.peft.auto;

import org.finetune4j.train.FineTuner;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingPlan;

/** Ends a training after a step with a checkpoint, as an interruption by its user does. */
final class StopAtStep implements TrainingListener {

    private final FineTuner tuner;
    private final long last;

    StopAtStep(FineTuner tuner, long last) {
        this.tuner = tuner;
        this.last = last;
    }

    @Override
    public void onStart(TrainingPlan plan) {
        if (plan.startStep() >= last) {
            tuner.requestStop();
        }
    }

    @Override
    public void onStep(StepMetrics metrics) {
        if (metrics.step() >= last) {
            tuner.requestStop();
        }
    }
}
