package org.finetune4j.train.report;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.SampleComparison;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingPlan;
import org.finetune4j.train.TrainingSummary;
import org.finetune4j.train.health.ExpertLoad;
import org.jspecify.annotations.Nullable;

/**
 * All that happened in a run so far, over all its starts. It is filled by listening: to a trainer, or to
 * {@link MetricsLog#replay}. Not safe for use by several threads.
 */
public final class TrainingHistory implements TrainingListener {

    /**
     * The last complete checkpoint.
     *
     * @param directory where it lies
     * @param step optimizer steps that it holds
     */
    public record Checkpoint(Path directory, long step) {}

    private final List<StepMetrics> steps = new ArrayList<>();
    private final List<EvaluationMetrics> evaluations = new ArrayList<>();
    private final Set<String> warnings = new LinkedHashSet<>();
    private List<SampleComparison> samples = List.of();
    private @Nullable ExpertLoad expertLoad;
    private @Nullable TrainingPlan plan;
    private @Nullable Checkpoint lastCheckpoint;
    private @Nullable TrainingSummary summary;
    private @Nullable String failure;
    private Duration earlierStarts = Duration.ZERO;
    private Duration thisStart = Duration.ZERO;

    @Override
    public void onStart(TrainingPlan newPlan) {
        plan = newPlan;
        summary = null;
        failure = null;
        earlierStarts = elapsed();
        thisStart = Duration.ZERO;
    }

    @Override
    public void onWarning(String message) {
        warnings.add(message);
    }

    @Override
    public void onStep(StepMetrics metrics) {
        steps.add(metrics);
        thisStart = metrics.elapsed();
    }

    @Override
    public void onEvaluation(EvaluationMetrics metrics) {
        evaluations.add(metrics);
    }

    @Override
    public void onExpertLoad(ExpertLoad load) {
        expertLoad = load;
    }

    @Override
    public void onCheckpoint(Path directory, long step) {
        lastCheckpoint = new Checkpoint(directory, step);
    }

    @Override
    public void onSamples(List<SampleComparison> newSamples) {
        samples = List.copyOf(newSamples);
    }

    @Override
    public void onEnd(TrainingSummary newSummary) {
        summary = newSummary;
        thisStart = newSummary.elapsed();
    }

    @Override
    public void onFailure(Throwable newFailure) {
        failure = newFailure.toString();
    }

    /**
     * What all starts warned of.
     *
     * @return each warning once, the oldest first
     */
    public List<String> warnings() {
        return List.copyOf(warnings);
    }

    /** {@return the plan of the latest start} */
    public @Nullable TrainingPlan plan() {
        return plan;
    }

    /** {@return all steps, in their order} */
    public List<StepMetrics> steps() {
        return Collections.unmodifiableList(steps);
    }

    /** {@return all evaluations, in their order} */
    public List<EvaluationMetrics> evaluations() {
        return Collections.unmodifiableList(evaluations);
    }

    /** {@return where routers sent tokens last; null for a model that has none} */
    public @Nullable ExpertLoad expertLoad() {
        return expertLoad;
    }

    /** {@return the answers from before and after training; empty where there are none yet} */
    public List<SampleComparison> samples() {
        return samples;
    }

    /** {@return the last complete checkpoint, or null before the first one} */
    public @Nullable Checkpoint lastCheckpoint() {
        return lastCheckpoint;
    }

    /** {@return how the latest start ended; null while it runs, and when it was killed or failed} */
    public @Nullable TrainingSummary summary() {
        return summary;
    }

    /**
     * Class and message of what made the latest start fail.
     *
     * @return one line, or null where it did not fail
     */
    public @Nullable String failure() {
        return failure;
    }

    /**
     * Optimizer steps done; 0 before the first one.
     *
     * @return number of the latest step
     */
    public long lastStep() {
        return steps.isEmpty() ? 0 : steps.get(steps.size() - 1).step();
    }

    /**
     * Wall time of all starts together, without the time between them.
     *
     * @return the sum
     */
    public Duration elapsed() {
        return earlierStarts.plus(thisStart);
    }
}
