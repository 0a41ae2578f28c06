package org.finetune4j.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.UserErrorException;
import org.finetune4j.train.RunDirectory;
import org.finetune4j.train.report.HtmlReport;
import org.finetune4j.train.report.MetricsLog;
import org.finetune4j.train.report.TrainingHistory;

/**
 * Runs trainings in a row: each goes on from the model that the one before it left. What is complete is not trained again,
 * what was interrupted goes on from its checkpoint, so the same command, given again, ends in the same files.
 */
final class Pipeline {

    /** How a stage is trained. */
    interface Trainer {

        /**
         * Trains a stage, and writes the model that those after it go on from.
         *
         * @param stage the stage
         * @param training its settings, to go on from a checkpoint where there is one
         * @return whether it is complete; false when it was asked to stop
         */
        boolean train(PipelineStage stage, TrainingSettings training);
    }

    private final PipelineSettings settings;
    private final Trainer trainer;
    private final Map<PipelineStage, StageRun> runs = new LinkedHashMap<>();
    private final List<String> skipped = new ArrayList<>();

    /** A row of trainings of this process. */
    Pipeline(PipelineSettings settings) {
        this.settings = settings;
        this.trainer = this::trainHere;
    }

    /** A row of trainings by whoever trains them. */
    Pipeline(PipelineSettings settings, Trainer trainer) {
        this.settings = settings;
        this.trainer = trainer;
    }

    /** The stages that were trained now and here, in their order. */
    Map<PipelineStage, StageRun> runs() {
        return runs;
    }

    /** The names of those that were complete. */
    List<String> skipped() {
        return skipped;
    }

    /**
     * Trains what is not complete.
     *
     * @return whether all stages are complete; false when it was asked to stop
     * @throws UserErrorException when a stage cannot be trained, or what is in the directory is another row's
     */
    boolean run() {
        OutputDirectory.check(settings.outputDirectory());
        PipelineState state = PipelineState.read(settings.outputDirectory());
        requireSame(state);
        for (PipelineStage stage : settings.stages()) {
            stage.training().data().requireFiles();
        }
        if (settings.stages().stream().noneMatch(stage -> state.isBegun(stage.name()))) {
            StageCheck.require(settings);
        }
        for (PipelineStage stage : settings.stages()) {
            if (state.isComplete(stage.name())) {
                skipped.add(stage.name());
                continue;
            }
            if (!train(stage, state)) {
                return false;
            }
        }
        return true;
    }

    private boolean train(PipelineStage stage, PipelineState state) {
        System.err.println("stage " + stage.name() + ": " + stage.training().outputDirectory());
        TrainingSettings training = prepared(stage, state);
        RunDirectory.check(training.arguments());
        OutputDirectory.check(training.outputDirectory());
        state.begin(stage.name(), stage.identity());
        boolean complete = trainer.train(stage, training);
        report();
        if (complete) {
            state.complete(stage.name(), stage.identity());
        }
        return complete;
    }

    private boolean trainHere(PipelineStage stage, TrainingSettings training) {
        StageRun run = StageRun.of(training, (result, model) -> {
            if (stage.leavesAdapter()) {
                stage.writeModel(result.adapter(), model);
            }
        });
        if (run.summary().interrupted()) {
            return false;
        }
        runs.put(stage, run);
        return true;
    }

    /** The settings, to go on from a checkpoint where there is one; what a stage left before its first goes away. */
    private static TrainingSettings prepared(PipelineStage stage, PipelineState state) {
        Path directory = stage.training().outputDirectory();
        if (!state.isBegun(stage.name())) {
            return stage.training();
        }
        if (RunDirectory.holdsCheckpoint(directory)) {
            return stage.resumed();
        }
        RunDirectory.clear(directory);
        return stage.training();
    }

    /** What is there must come from these settings, and a stage that is to be trained must have nothing built on it. */
    private void requireSame(PipelineState state) {
        String open = null;
        for (PipelineStage stage : settings.stages()) {
            Optional<String> difference = state.difference(stage.name(), stage.identity());
            if (difference.isPresent()) {
                throw new UserErrorException(stage.settings().origin() + ": " + difference.get() + " since "
                        + stage.training().outputDirectory() + " was begun: choose another output_dir");
            }
            if (state.isComplete(stage.name())
                    && (stage.leavesAdapter() || stage.leavesModel())
                    && !Files.isDirectory(stage.model())) {
                throw new UserErrorException(stage.model() + " is gone, which stage " + stage.name()
                        + " left for those after it: choose another output_dir");
            }
            if (open != null && state.isBegun(stage.name())) {
                throw new UserErrorException(stage.training().outputDirectory() + " was begun before stage " + open
                        + " was complete: choose another output_dir");
            }
            if (open == null && !state.isComplete(stage.name())) {
                open = stage.name();
            }
        }
    }

    /** One page about all stages that have been begun. */
    private void report() {
        Map<String, TrainingHistory> histories = new LinkedHashMap<>();
        for (PipelineStage stage : settings.stages()) {
            Path log = stage.training().outputDirectory().resolve(MetricsLog.NAME);
            if (Files.exists(log)) {
                histories.put(stage.name(), MetricsLog.read(log));
            }
        }
        if (!histories.isEmpty()) {
            HtmlReport.write(settings.report(), histories);
        }
    }
}
