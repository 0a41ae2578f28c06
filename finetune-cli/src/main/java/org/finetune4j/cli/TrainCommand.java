package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.finetune4j.Json;
import org.finetune4j.Settings;
import org.finetune4j.peft.auto.SearchResult;
import org.finetune4j.train.RunDirectory;
import org.finetune4j.train.TrainingSummary;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Runs a training, or several in a row. */
@Command(
        name = "train",
        mixinStandardHelpOptions = true,
        description =
                "Runs the training, or the row of trainings, that a configuration describes. Ctrl-C stops it with a"
                        + " checkpoint.")
final class TrainCommand implements Callable<Integer> {

    @Mixin
    private ConfigArguments config;

    @Option(names = "--json", description = "Print one JSON line with what the run made.")
    private boolean json;

    @Override
    public Integer call() {
        Settings settings = config.settings();
        if (PipelineSettings.isPipeline(settings)) {
            return row(PipelineSettings.of(settings));
        }
        ContinualSettings.refuse(settings);
        if (AutoSettings.isAuto(settings)) {
            return search(AutoSettings.of(settings));
        }
        TrainingSettings training = TrainingSettings.of(settings);
        RunDirectory.check(training.arguments());
        OutputDirectory.check(training.outputDirectory());
        StageRun run = StageRun.of(training, (result, model) -> {});
        if (run.summary().interrupted()) {
            System.err.println(
                    "stopped after step " + run.summary().steps() + "; go on with resume_from_checkpoint=true");
            return Main.FAILURE;
        }
        System.out.println(json ? Json.write(values(training, run)) : training.outputDirectory());
        return 0;
    }

    private int search(AutoSettings settings) {
        Optional<SearchResult> found = new AutoSearch(settings).run();
        if (found.isEmpty()) {
            System.err.println("stopped; the same command goes on");
            return Main.FAILURE;
        }
        System.err.println("winner: " + found.get().winner().candidate().describe());
        Path output = settings.outputDirectory();
        System.out.println(json ? Json.write(AutoSearch.values(output, found.get())) : output);
        return 0;
    }

    private int row(PipelineSettings settings) {
        Pipeline pipeline = new Pipeline(settings);
        if (!pipeline.run()) {
            System.err.println("stopped; the same command goes on");
            return Main.FAILURE;
        }
        Map<String, @Nullable Object> values = new LinkedHashMap<>();
        values.put("output", settings.outputDirectory().toString());
        values.put("report", settings.report().toString());
        Map<String, @Nullable Object> stages = new LinkedHashMap<>();
        pipeline.runs().forEach((stage, run) -> stages.put(stage.name(), values(stage.training(), run)));
        values.put("stages", stages);
        values.put("complete_before", List.copyOf(pipeline.skipped()));
        System.out.println(json ? Json.write(values) : settings.outputDirectory());
        return 0;
    }

    private static Map<String, @Nullable Object> values(TrainingSettings training, StageRun run) {
        TrainingSummary summary = run.summary();
        Map<String, @Nullable Object> values = new LinkedHashMap<>();
        values.put("output", training.outputDirectory().toString());
        values.put("steps", summary.steps());
        values.put("loss", summary.finalLoss());
        values.put("best_evaluation_loss", summary.bestEvaluationLoss());
        values.put("seconds", summary.elapsed().toMillis() / 1000.0);
        values.put("tokens_per_second", summary.tokensPerSecond());
        values.put("reason", summary.reason().name().toLowerCase(Locale.ROOT));
        values.put("warnings", run.warnings());
        return values;
    }
}
