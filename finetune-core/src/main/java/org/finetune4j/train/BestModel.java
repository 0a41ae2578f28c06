package org.finetune4j.train;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.finetune4j.AtomicFiles;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.BestEvaluation.Rules;
import org.finetune4j.train.arguments.ModelSelection;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the best model that an evaluation has seen, and ends a run that does not get better. Beside the model stands which
 * evaluation of which run it was: what lies in {@code best} counts only when the run knows it. The model that the latest checkpoint
 * refers to is kept until the next checkpoint, so that a run that is killed between the two still has it.
 */
final class BestModel {

    static final String DIRECTORY = "best";

    private static final String KEPT = ".best-of-checkpoint";
    private static final String PROVENANCE = "best_model.json";
    private static final String RUN = "run";

    private final ModelSelection selection;
    private final @Nullable Path directory;
    private final @Nullable Path kept;
    private final AttachedStrategy strategy;
    private final String run;
    private final Rules rules;

    /**
     * @param run the fingerprint of the run
     * @param heldOut what it is evaluated on
     */
    BestModel(ModelSelection selection, @Nullable Path output, AttachedStrategy strategy, String run, String heldOut) {
        this.selection = selection;
        this.directory = output == null ? null : output.resolve(DIRECTORY);
        this.kept = output == null ? null : output.resolve(KEPT);
        this.strategy = strategy;
        this.run = run;
        this.rules = new Rules(selection.metricForBest(), selection.greaterIsBetter(), heldOut);
    }

    /**
     * Goes on from a checkpoint: what it says of the best model counts when it was judged by the same rules and is there.
     *
     * @param warnings is told what no longer counts
     */
    TrainingProgress adopt(TrainingProgress progress, Consumer<String> warnings) {
        BestEvaluation best = progress.best();
        if (best == null) {
            if (directory != null && Files.exists(directory) && !belongsToRun(directory)) {
                warnings.accept(directory + ": not of this run: it is not used, and replaced by the next evaluation");
            }
            return progress;
        }
        if (!best.rules().equals(rules)) {
            warnings.accept(
                    "the best model so far was chosen by " + best.rules().describe() + ", this run chooses by "
                            + rules.describe() + ": the best is looked for anew from step " + progress.step() + " on");
            return progress.withoutBest(best.rules().heldOut().equals(rules.heldOut()));
        }
        if (directory == null || kept == null) {
            return progress;
        }
        if (holds(kept, best)) {
            AtomicFiles.deleteDirectory(directory);
            AtomicFiles.moveDirectory(kept, directory);
        }
        AtomicFiles.deleteDirectory(kept);
        if (holds(directory, best)) {
            return progress;
        }
        warnings.accept(directory + ": the best model so far (" + best.describe() + ") is not there "
                + (Files.exists(directory) ? "but another one" : "any more")
                + ": the best is looked for anew from step " + progress.step() + " on");
        return progress.withoutBest(true);
    }

    /** Takes note of an evaluation of the weights as they are now, which are to be {@link #save saved} when they are the best. */
    TrainingProgress consider(TrainingProgress progress, EvaluationMetrics metrics) {
        double value = metrics.metric(selection.metricForBest());
        BestEvaluation best = progress.best();
        Double bestValue = best == null ? null : (Double) best.value();
        boolean better = selection.improves(value, bestValue, 0);
        boolean much = selection.improves(value, bestValue, selection.earlyStoppingThreshold());
        if (better) {
            best = new BestEvaluation(rules, value, progress.step());
        }
        return progress.evaluated(metrics.loss(), best, much ? 0 : progress.evaluationsSinceBest() + 1);
    }

    /**
     * Saves the weights as they are now where they are the best.
     *
     * @param before the progress before they were evaluated
     * @param considered after that
     */
    void save(TrainingProgress before, TrainingProgress considered) {
        BestEvaluation evaluation = considered.best();
        if (evaluation == null || evaluation.equals(before.best()) || directory == null || kept == null) {
            return;
        }
        if (Files.isDirectory(directory) && !Files.exists(kept)) {
            AtomicFiles.moveDirectory(directory, kept);
        }
        AtomicFiles.writeDirectory(directory, partial -> {
            strategy.save(partial);
            ObjectNode provenance = evaluation.toJson().put(RUN, run);
            Files.writeString(partial.resolve(PROVENANCE), Json.writePretty(provenance) + "\n");
        });
    }

    /** A checkpoint refers to the model that is in {@code best} now. */
    void checkpointed() {
        if (kept != null) {
            AtomicFiles.deleteDirectory(kept);
        }
    }

    private boolean belongsToRun(Path place) {
        return Files.isRegularFile(place.resolve(PROVENANCE))
                && InputFiles.jsonObject(place.resolve(PROVENANCE))
                        .path(RUN)
                        .asText()
                        .equals(run);
    }

    private boolean holds(Path place, BestEvaluation best) {
        return belongsToRun(place) && best.equals(BestEvaluation.of(InputFiles.jsonObject(place.resolve(PROVENANCE))));
    }

    /** Whether the run has not got better for as long as it may. */
    boolean isExhausted(TrainingProgress progress) {
        return selection.earlyStoppingPatience() > 0
                && progress.evaluationsSinceBest() >= selection.earlyStoppingPatience();
    }

    /** Why {@link #isExhausted} ends the run. */
    String explain(TrainingProgress progress) {
        BestEvaluation best = progress.best();
        return "stopped early: " + progress.evaluationsSinceBest() + " evaluations without an improvement of "
                + selection.metricForBest()
                + (selection.earlyStoppingThreshold() > 0 ? " by more than " + selection.earlyStoppingThreshold() : "")
                + (best == null ? "" : ", best " + best.describe());
    }

    /**
     * Puts the best model in place of the last one.
     *
     * @param warnings is told when no evaluation gave one
     * @throws UserErrorException when it is gone
     */
    void load(TrainingProgress progress, Consumer<String> warnings) {
        BestEvaluation best = progress.best();
        if (directory == null || best == null) {
            warnings.accept("load_best_model_at_end: "
                    + (directory == null ? "without output_dir no model is kept" : "no evaluation gave a best model")
                    + ": the result is the last one");
            return;
        }
        if (!holds(directory, best)) {
            throw new UserErrorException(directory + ": the best model (" + best.describe()
                    + ") is not there any more; set load_best_model_at_end to false to get the last one");
        }
        strategy.restore(directory);
    }
}
