package org.finetune4j.train.memory;

import java.util.function.Consumer;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingPlan;

/** Compares the plan with what the process took, after the second step of a start: the optimizer's state is there then. */
public final class MemoryListener implements TrainingListener {

    private final MemoryPlan plan;
    private final Consumer<String> sink;
    private long firstStep;

    /** @param sink is given one line */
    public MemoryListener(MemoryPlan plan, Consumer<String> sink) {
        this.plan = plan;
        this.sink = sink;
    }

    @Override
    public void onStart(TrainingPlan training) {
        firstStep = training.startStep() + 1;
    }

    @Override
    public void onStep(StepMetrics metrics) {
        long peak = ProcessMemory.peakMegabytes();
        boolean due = metrics.step() == Math.min(firstStep + 1, metrics.totalSteps());
        if (due && peak > 0) {
            sink.accept(plan.compare(peak));
        }
    }
}
