package org.finetune4j.peft.auto;

import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;

/** Measures steps, but for the first one, which makes what later ones find. */
final class Stopwatch implements TrainingListener {

    /** Steps of a training that is only measured. */
    static final int STEPS = 4;

    private long first;
    private long last;
    private long steps;

    @Override
    public void onStep(StepMetrics metrics) {
        last = System.nanoTime();
        if (metrics.step() == 1) {
            first = last;
        } else {
            steps++;
        }
    }

    double secondsOfStep() {
        return Math.max(1e-6, (last - first) / 1e9 / Math.max(1, steps));
    }
}
