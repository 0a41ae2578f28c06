package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.TokenizedDataset;
import org.finetune4j.data.mixture.DiversityReport;
import org.finetune4j.model.CausalLM;
import org.finetune4j.train.RunDirectory;
import org.finetune4j.train.memory.MemoryPlan;
import org.finetune4j.train.memory.ProcessMemory;
import org.finetune4j.train.preflight.PreflightReport;
import org.finetune4j.train.preflight.SampleSurvey;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Looks at everything that a training would need, without training. */
@Command(
        name = "validate",
        mixinStandardHelpOptions = true,
        description = "Checks a configuration, its model and its data; shows a sample and the memory it will take.")
final class ValidateCommand implements Callable<Integer> {

    private static final int MAX_PROBLEMS = 20;

    @Mixin
    private ConfigArguments config;

    private final List<String> problems = new ArrayList<>();

    @Override
    public Integer call() {
        TrainingJob job = config.read();
        attempt(() -> RunDirectory.check(job.arguments()));
        attempt(() -> OutputDirectory.check(job.outputDirectory()));
        attempt(() -> {
            Path directory = job.model();
            long process = ProcessMemory.afterStart();
            try (CausalLM model = CausalLM.load(directory, job.load().options())) {
                System.out.println("model       " + model.directory() + ", "
                        + model.config().architecture());
                JobData data = job.data().load(model);
                data.notes().forEach(note -> System.out.println("data        " + note));
                describe("train", data.train());
                JobData.Part heldOut = data.evaluation();
                if (heldOut != null) {
                    problems.addAll(describe("evaluation", heldOut));
                }
                show(job, job.tuner(model, data, process).preflight());
            }
        });
        if (problems.isEmpty()) {
            System.out.println("everything is in order");
            return 0;
        }
        problems.forEach(problem -> System.err.println("error: " + problem));
        return Main.USAGE;
    }

    private void attempt(Runnable check) {
        try {
            check.run();
        } catch (UserErrorException e) {
            problems.add(e.getMessage());
        }
    }

    /** Prints what a part of the data is like, and gives what cannot be trained on. */
    private static List<String> describe(String key, JobData.Part part) {
        if (part.samples() instanceof TokenizedDataset samples && part.examples() != null) {
            DiversityReport report = DiversityReport.of(part.examples(), samples, MAX_PROBLEMS);
            report.lines().forEach(line -> System.out.println(key + "  " + line));
            return report.totals().problems();
        }
        System.out.println(key + "  " + part.name() + ": " + part.samples().size() + " samples");
        return List.of();
    }

    private void show(TrainingJob job, PreflightReport report) {
        SampleSurvey survey = report.survey();
        System.out.println("samples     " + report.samples() + ", " + survey.tokens() + " tokens, " + survey.labelled()
                + " of them trained, the longest has " + survey.longest() + " (" + survey.longestAt() + ")");
        if (report.sample() != null) {
            System.out.println("sample      " + report.sampleLocation() + ", trained tokens in \u27E6...\u27E7:");
            System.out.println(report.sample());
        }
        MemoryPlan plan = report.memory();
        System.out.println(
                String.format(Locale.ROOT, "trains      %,d of %,d parameters", plan.trainable(), plan.total()));
        System.out.println("optimizer   " + job.arguments().optimizer().name() + ", "
                + job.arguments().schedule().schedulerType());
        System.out.println("memory      " + plan.describe());
        report.findings().warnings().forEach(warning -> System.out.println("warning     " + warning));
        problems.addAll(report.findings().errors());
    }
}
