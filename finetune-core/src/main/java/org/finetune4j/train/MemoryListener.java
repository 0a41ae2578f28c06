package org.finetune4j.train;

import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.finetune4j.train.memory.MemoryPlan;
import org.finetune4j.train.memory.ProcessMemory;

/**
 * Compares the plan with what the process took: after the second step of a start, when the optimizer's state is there, and at the
 * end where the longest batches came later and took more.
 */
final class MemoryListener implements TrainingListener {

    /** A peak that grew by less says nothing new. */
    private static final double GROWN = 1.05;

    private final MemoryPlan plan;
    private final Consumer<String> sink;
    private final TrainingListener others;
    private final LongSupplier peak;
    private long step;
    private long firstStep;
    private long compared;

    /**
     * @param sink is given one line, or two
     * @param others are told of every comparison; they are to be told all events after this listener
     */
    MemoryListener(MemoryPlan plan, Consumer<String> sink, TrainingListener others) {
        this(plan, sink, others, ProcessMemory::peakMegabytes);
    }

    MemoryListener(MemoryPlan plan, Consumer<String> sink, TrainingListener others, LongSupplier peak) {
        this.plan = plan;
        this.sink = sink;
        this.others = others;
        this.peak = peak;
    }

    @Override
    public void onStart(TrainingPlan training) {
        firstStep = training.startStep() + 1;
        compared = 0;
    }

    @Override
    public void onStep(StepMetrics metrics) {
        step = metrics.step();
        if (step == Math.min(firstStep + 1, metrics.totalSteps())) {
            compare();
        }
    }

    @Override
    public void onEnd(TrainingSummary summary) {
        if (compared > 0 && peak.getAsLong() > GROWN * compared) {
            compare();
        }
    }

    private void compare() {
        long megabytes = peak.getAsLong();
        if (megabytes > 0) {
            compared = megabytes;
            sink.accept(plan.compare(megabytes));
            others.onMemory(new MemoryComparison(step, plan.peak() >> 20, megabytes));
        }
    }
}
