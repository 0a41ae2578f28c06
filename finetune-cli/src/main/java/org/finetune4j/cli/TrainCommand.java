package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.finetune4j.Json;
import org.finetune4j.model.CausalLM;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.RunDirectory;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.TrainingSummary;
import org.finetune4j.train.memory.ProcessMemory;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Runs a training. */
@Command(
        name = "train",
        mixinStandardHelpOptions = true,
        description = "Runs the training that a configuration describes. Ctrl-C stops it with a checkpoint.")
final class TrainCommand implements Callable<Integer> {

    @Mixin
    private ConfigArguments config;

    @Option(names = "--json", description = "Print one JSON line with what the run made.")
    private boolean json;

    @Override
    public Integer call() {
        TrainingSettings training = config.read();
        RunDirectory.check(training.arguments());
        OutputDirectory.check(training.outputDirectory());
        Path directory = training.model();
        long process = ProcessMemory.afterStart();
        TrainingRecords records = training.data().records();
        try (CausalLM model = training.load(directory, records)) {
            TrainingData data = training.data().load(model, records);
            data.notes().forEach(note -> System.err.println("data: " + note));
            FineTuner tuner = training.tuner(model, data, process);
            training.reports().listeners(training.outputDirectory()).forEach(tuner::listener);
            try (InterruptGuard guard = new InterruptGuard(tuner::requestStop);
                    TrainingResult result = tuner.train()) {
                return finish(training, result);
            }
        }
    }

    private int finish(TrainingSettings training, TrainingResult result) {
        TrainingSummary summary = result.summary();
        if (summary.interrupted()) {
            System.err.println("stopped after step " + summary.steps() + "; go on with resume_from_checkpoint=true");
            return Main.FAILURE;
        }
        training.data().stage().save(result, training.outputDirectory());
        System.out.println(json ? line(training, result) : training.outputDirectory());
        return 0;
    }

    private static String line(TrainingSettings training, TrainingResult result) {
        TrainingSummary summary = result.summary();
        Map<String, @Nullable Object> values = new LinkedHashMap<>();
        values.put("output", training.outputDirectory().toString());
        values.put("steps", summary.steps());
        values.put("loss", summary.finalLoss());
        values.put("best_evaluation_loss", summary.bestEvaluationLoss());
        values.put("seconds", summary.elapsed().toMillis() / 1000.0);
        values.put("tokens_per_second", summary.tokensPerSecond());
        values.put("reason", summary.reason().name().toLowerCase(Locale.ROOT));
        values.put("warnings", result.warnings());
        return Json.write(values);
    }
}
