package org.finetune4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.concurrent.atomic.LongAdder;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingPlan;
import org.finetune4j.train.memory.ProcessMemory;

/** Counts what a loop over data waits for, how long its samples take to make, and what memory it holds meanwhile. */
final class FeedMeter implements TrainingListener {

    private final LongAdder making = new LongAdder();
    private long started = System.nanoTime();
    private long totalSteps;
    private long steps;
    private long tokens;
    private long waited;
    private long firstWait;
    private long elapsed;
    private long residentEarly;
    private long residentMost;
    private long residentEnd;

    /** The same samples; how long they take to make is added up, whatever thread makes them. */
    TrainingDataset timed(TrainingDataset samples) {
        return new TrainingDataset() {
            @Override
            public int size() {
                return samples.size();
            }

            @Override
            public Sample get(int index) {
                long start = System.nanoTime();
                Sample sample = samples.get(index);
                making.add(System.nanoTime() - start);
                return sample;
            }

            @Override
            public String location(int index) {
                return samples.location(index);
            }
        };
    }

    @Override
    public void onStart(TrainingPlan plan) {
        begin(plan.totalSteps());
    }

    @Override
    public void onStep(StepMetrics metrics) {
        step(metrics.dataWait().toNanos(), metrics.tokens());
    }

    void begin(long plannedSteps) {
        totalSteps = plannedSteps;
        making.reset();
        started = System.nanoTime();
    }

    /** One step is over. */
    void step(long waitedNanoseconds, long stepTokens) {
        steps++;
        tokens += stepTokens;
        waited += waitedNanoseconds;
        firstWait = steps == 1 ? waitedNanoseconds : firstWait;
        elapsed = System.nanoTime() - started;
        if (steps % Math.max(1, totalSteps / 100) == 0 || steps == totalSteps) {
            long resident = ProcessMemory.residentBytes();
            // By then everything that is made once was made.
            if (steps >= totalSteps / 10 && residentEarly == 0) {
                residentEarly = resident;
            }
            residentMost = Math.max(residentMost, resident);
            residentEnd = resident;
        }
    }

    void report(ObjectNode result) {
        result.put("steps", steps);
        result.put("tokens", tokens);
        result.put("loop_s", seconds(elapsed));
        result.put("tokens_per_s", Math.round(tokens / (elapsed / 1e9)));
        result.put("making_samples_s", seconds(making.sum()));
        result.put("waited_s", seconds(waited));
        result.put("first_wait_s", seconds(firstWait));
        result.put("waited_percent", percent(waited, elapsed));
        result.put("made_beside_training_percent", percent(making.sum() - waited, making.sum()));
        result.put("resident_after_a_tenth_mb", residentEarly >> 20);
        result.put("resident_at_most_mb", residentMost >> 20);
        result.put("resident_at_the_end_mb", residentEnd >> 20);
    }

    private static BigDecimal seconds(long nanoseconds) {
        return BigDecimal.valueOf(nanoseconds / 1e9).setScale(3, RoundingMode.HALF_UP);
    }

    private static BigDecimal percent(long part, long whole) {
        return BigDecimal.valueOf(100.0 * part / Math.max(1, whole)).setScale(2, RoundingMode.HALF_UP);
    }
}
