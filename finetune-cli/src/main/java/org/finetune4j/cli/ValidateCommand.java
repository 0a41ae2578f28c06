package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import org.finetune4j.Json;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.TokenizedDataset;
import org.finetune4j.data.mixture.DiversityReport;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.auto.SearchPlan;
import org.finetune4j.train.RunDirectory;
import org.finetune4j.train.memory.MemoryPlan;
import org.finetune4j.train.memory.ProcessMemory;
import org.finetune4j.train.preflight.PreflightReport;
import org.finetune4j.train.preflight.SampleSurvey;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Looks at everything that a training would need, without training. */
@Command(
        name = "validate",
        mixinStandardHelpOptions = true,
        description = "Checks a configuration, its model and its data; shows a sample and the memory it will take.")
final class ValidateCommand implements Callable<Integer> {

    private static final int MAX_PROBLEMS = 20;

    @Mixin
    private ConfigArguments config;

    @Option(names = "--json", description = "Print one JSON line, with the errors in it.")
    private boolean json;

    private final Map<String, @Nullable Object> report = new LinkedHashMap<>();

    private final List<String> problems = new ArrayList<>();

    @Override
    public Integer call() {
        Settings settings = config.settings();
        if (ContinualSettings.isContinual(settings)) {
            tasks(ContinualSettings.of(settings));
        } else if (PipelineSettings.isPipeline(settings)) {
            row(PipelineSettings.of(settings));
        } else if (AutoSettings.isAuto(settings)) {
            search(AutoSettings.of(settings));
        } else {
            check(TrainingSettings.of(settings));
        }
        if (json) {
            report.put("errors", problems);
            System.out.println(Json.write(report));
            return problems.isEmpty() ? 0 : Main.USAGE;
        }
        if (problems.isEmpty()) {
            say("everything is in order");
            return 0;
        }
        problems.forEach(problem -> System.err.println("error: " + problem));
        return Main.USAGE;
    }

    /** The first stage as a whole; of the others what can be known before there is the model that they go on from. */
    private void row(PipelineSettings row) {
        PipelineStage first = row.stages().get(0);
        say("stage " + first.name());
        check(first.training());
        for (PipelineStage stage : row.stages().subList(1, row.stages().size())) {
            say("stage " + stage.name() + ", whose model does not exist yet");
            attempt(() -> {
                stage.training().data().requireFiles();
                TrainingRecords records = stage.training().data().records();
                records.notes().forEach(note -> say("data        " + note));
                problems.addAll(StageCheck.problems(row, stage));
            });
        }
    }

    /** Every task as a training of its own. */
    private void tasks(ContinualSettings row) {
        for (ContinualSettings.Task task : row.tasks()) {
            say("task " + task.name());
            check(task.training());
        }
    }

    /** The plain training as a whole, and the layers that candidates name. */
    private void search(AutoSettings auto) {
        SearchPlan plan = auto.plan();
        say("search      " + plan.describe());
        report.put("search", plan.describe());
        check(auto.plain(), auto::requireTargets);
    }

    private void check(TrainingSettings training) {
        check(training, model -> {});
    }

    /**
     * @param more what else the model is looked at for
     */
    private void check(TrainingSettings training, Consumer<CausalLM> more) {
        attempt(() -> RunDirectory.check(training.arguments()));
        attempt(() -> OutputDirectory.check(training.outputDirectory()));
        attempt(() -> {
            Path directory = training.model();
            long process = ProcessMemory.afterStart();
            TrainingRecords records = training.data().records();
            try (CausalLM model = training.load(directory, records)) {
                say("model       " + model.directory() + ", " + model.config().architecture());
                attempt(() -> more.accept(model));
                TrainingData data = training.data().load(model, records);
                data.notes().forEach(note -> say("data        " + note));
                describe("train", data.train());
                TrainingData.Part heldOut = data.evaluation();
                if (heldOut != null) {
                    problems.addAll(describe("evaluation", heldOut));
                }
                show(training, training.tuner(model, data, process).preflight());
            }
        });
    }

    private void say(String line) {
        if (!json) {
            System.out.println(line);
        }
    }

    private void attempt(Runnable check) {
        try {
            check.run();
        } catch (UserErrorException e) {
            problems.add(e.getMessage());
        }
    }

    /** Prints what a part of the data is like, and gives what cannot be trained on. */
    private List<String> describe(String key, TrainingData.Part part) {
        if (part.samples() instanceof TokenizedDataset samples && part.examples() != null) {
            DiversityReport report = DiversityReport.of(part.examples(), samples, MAX_PROBLEMS);
            report.lines().forEach(line -> say(key + "  " + line));
            return report.totals().problems();
        }
        say(key + "  " + part.name() + ": " + part.samples().size() + " samples");
        return List.of();
    }

    private void put(TrainingSettings training, PreflightReport found) {
        report.put("samples", found.samples());
        report.put("tokens", found.survey().tokens());
        report.put("labelled_tokens", found.survey().labelled());
        report.put("longest", found.survey().longest());
        report.put("sample", found.sample());
        report.put("trainable_parameters", found.memory().trainable());
        report.put("parameters", found.memory().total());
        report.put("optimizer", training.arguments().optimizer().name());
        report.put("memory", found.memory().describe());
        report.put("warnings", found.findings().warnings());
    }

    private void show(TrainingSettings training, PreflightReport found) {
        SampleSurvey survey = found.survey();
        say("samples     " + found.samples() + ", " + survey.tokens() + " tokens, " + survey.labelled()
                + " of them trained, the longest has " + survey.longest() + " (" + survey.longestAt() + ")");
        if (found.sample() != null) {
            say("sample      " + found.sampleLocation() + ", trained tokens in \u27E6...\u27E7:");
            say(found.sample());
        }
        MemoryPlan plan = found.memory();
        put(training, found);
        say(String.format(Locale.ROOT, "trains      %,d of %,d parameters", plan.trainable(), plan.total()));
        say("optimizer   " + training.arguments().optimizer().name() + ", "
                + training.arguments().schedule().schedulerType());
        say("memory      " + plan.describe());
        found.findings().warnings().forEach(warning -> say("warning     " + warning));
        problems.addAll(found.findings().errors());
    }
}
