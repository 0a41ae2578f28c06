package org.finetune4j.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.finetune4j.Json;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.continual.ContinualTask;
import org.finetune4j.peft.continual.ContinualTraining;
import org.finetune4j.peft.continual.ScoreMatrix;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.RunDirectory;
import org.finetune4j.train.memory.ProcessMemory;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Learns tasks one after the other without forgetting, and measures all of them after each. */
@Command(
        name = "continual",
        mixinStandardHelpOptions = true,
        description =
                "Learns the tasks of a configuration one after the other with one adapter (sequential, replay, ewc, olora, l2)"
                        + " and prints the scores of all tasks after each. The same command goes on after a kill.")
final class ContinualCommand implements Callable<Integer> {

    private static final String JOURNAL = "continual.json";

    @Mixin
    private ConfigArguments config;

    @Option(names = "--json", description = "Print one JSON line.")
    private boolean json;

    @Override
    public Integer call() {
        ContinualSettings settings = ContinualSettings.of(config.settings());
        Optional<ScoreMatrix> scores = run(settings);
        if (scores.isEmpty()) {
            System.err.println("stopped; the same command goes on");
            return Main.FAILURE;
        }
        if (json) {
            System.out.println(Json.write(values(settings, scores.get())));
        } else {
            scores.get().lines().forEach(System.out::println);
            System.out.println(settings.outputDirectory());
        }
        return 0;
    }

    private static Optional<ScoreMatrix> run(ContinualSettings settings) {
        Path output = settings.outputDirectory();
        OutputDirectory.check(output);
        for (ContinualSettings.Task task : settings.tasks()) {
            task.training().data().requireFiles();
            if (!Files.exists(output.resolve(JOURNAL))) {
                RunDirectory.check(settings.training(task, output, false).arguments());
            }
        }
        TrainingSettings first = settings.first();
        Path directory = first.model();
        long process = ProcessMemory.afterStart();
        try (CausalLM model = first.load(directory, first.data().records())) {
            List<ContinualTask> tasks = new ArrayList<>();
            for (ContinualSettings.Task task : settings.tasks()) {
                TrainingData data = task.training().data().load(model);
                data.notes().forEach(note -> System.err.println("data: " + note));
                tasks.add(new ContinualTask(
                        task.name(),
                        data.train().batches(),
                        (place, resumes) -> tuner(settings.training(task, place, resumes), model, data, process)));
            }
            ContinualTraining training = new ContinualTraining(
                            model, first.strategy(), settings.method(), tasks, output)
                    .metric(settings.metric(), settings.lowerIsBetter())
                    .seed(first.arguments().seed())
                    .identity(settings.identity())
                    .messages(line -> System.err.println("continual: " + line))
                    .completion(result -> first.data().stage().save(result, output));
            try (InterruptGuard guard = new InterruptGuard(training::requestStop)) {
                return training.run();
            }
        }
    }

    private static FineTuner tuner(TrainingSettings training, CausalLM model, TrainingData data, long process) {
        FineTuner tuner = training.tuner(model, data, process);
        training.reports().listeners(training.outputDirectory()).forEach(tuner::listener);
        return tuner;
    }

    private static Map<String, @Nullable Object> values(ContinualSettings settings, ScoreMatrix scores) {
        Map<String, @Nullable Object> values = new LinkedHashMap<>();
        values.put("output", settings.outputDirectory().toString());
        values.put("method", settings.method().name());
        values.put("metric", scores.metric());
        values.put("tasks", scores.tasks());
        values.put("scores", scores.rows());
        values.put("average", scores.average());
        values.put("forgetting", scores.forgetting());
        values.put("backward_transfer", scores.backwardTransfer());
        return values;
    }
}
