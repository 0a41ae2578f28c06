package org.finetune4j.train;

import java.nio.file.Files;
import java.nio.file.Path;
import org.finetune4j.AtomicFiles;
import org.finetune4j.strategy.AttachedStrategy;
import org.jspecify.annotations.Nullable;

/** Keeps the best model that an evaluation has seen, and ends a run that does not get better. */
final class BestModel {

    private static final String BEST = "best";

    private final ModelSelection selection;
    private final @Nullable Path directory;
    private final AttachedStrategy strategy;

    BestModel(ModelSelection selection, @Nullable Path output, AttachedStrategy strategy) {
        this.selection = selection;
        this.directory = output == null ? null : output.resolve(BEST);
        this.strategy = strategy;
    }

    /** Takes note of an evaluation of the weights as they are now, and saves them when they are the best. */
    TrainingProgress consider(TrainingProgress progress, EvaluationMetrics metrics) {
        double value = metrics.metric(selection.metricForBest());
        Double best = progress.bestMetric();
        boolean better = selection.improves(value, best, 0);
        boolean much = selection.improves(value, best, selection.earlyStoppingThreshold());
        if (better && directory != null) {
            AtomicFiles.writeDirectory(directory, strategy::save);
        }
        return progress.evaluated(
                metrics.loss(), better ? (Double) value : best, much ? 0 : progress.evaluationsSinceBest() + 1);
    }

    /** Whether the run has not got better for as long as it may. */
    boolean isExhausted(TrainingProgress progress) {
        return selection.earlyStoppingPatience() > 0
                && progress.evaluationsSinceBest() >= selection.earlyStoppingPatience();
    }

    boolean exists() {
        return directory != null && Files.isDirectory(directory);
    }

    void load() {
        if (directory != null) {
            strategy.restore(directory);
        }
    }
}
