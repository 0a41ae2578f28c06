package org.finetune4j.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.LazySamples;
import org.finetune4j.data.Sample;
import org.finetune4j.data.SampleInspector;
import org.finetune4j.data.TokenizationReport;
import org.finetune4j.data.TokenizedDataset;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.mixture.DiversityReport;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.AttachedStrategy;
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
        attempt(() -> OutputDirectory.check(job.outputDirectory()));
        attempt(() -> {
            try (CausalLM model = CausalLM.load(job.model(), job.loadOptions())) {
                checkData(job, model);
                attempt(() -> checkStrategy(job, model));
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

    private void checkData(TrainingJob job, CausalLM model) {
        System.out.println("model       " + job.model() + ", " + model.config().architecture());
        attempt(() -> checkVocabulary(model));
        attempt(() -> {
            JobData data = job.data().load(model);
            data.notes().forEach(note -> System.out.println("data        " + note));
            check("train", data.train(), model, true);
            JobData.Part heldOut = data.evaluation();
            if (heldOut != null) {
                check("evaluation", heldOut, model, false);
            }
        });
    }

    private static void checkVocabulary(CausalLM model) {
        long rows = model.network().inputEmbedding().count();
        if (model.tokenizer().vocabSize() > rows) {
            throw new UserErrorException(
                    "the tokenizer has " + model.tokenizer().vocabSize() + " tokens, the model's embedding has " + rows
                            + " rows: they do not belong together");
        }
    }

    private void check(String key, JobData.Part part, CausalLM model, boolean show) {
        if (!(part.samples() instanceof TokenizedDataset samples)) {
            System.out.println(key + "  " + part.name() + ": " + part.samples().size() + " samples");
            show(model, part.samples(), show);
            return;
        }
        if (samples instanceof LazySamples lazy && part.examples() != null) {
            DiversityReport report = DiversityReport.of(part.examples(), lazy, MAX_PROBLEMS);
            report.lines().forEach(line -> System.out.println(key + "  " + line));
            problems.addAll(report.totals().problems());
            show(model, samples, show && report.totals().failed() == 0);
            return;
        }
        TokenizationReport report = samples.report(MAX_PROBLEMS);
        System.out.println(key + "  " + part.name() + ": " + report.samples() + " samples, " + report.tokens()
                + " tokens, " + report.labelledTokens() + " of them trained, the longest has " + report.longest() + "; "
                + report.truncated() + " truncated, " + report.dropped() + " dropped");
        problems.addAll(report.problems());
        show(model, samples, show && report.failed() == 0);
    }

    private static void show(CausalLM model, TrainingDataset samples, boolean show) {
        if (show) {
            Sample sample = samples.get(0);
            System.out.println("sample      " + samples.location(0) + ", trained tokens in [[...]]:");
            System.out.println(new SampleInspector(model.tokenizer()).render(sample));
        }
    }

    private static void checkStrategy(TrainingJob job, CausalLM model) {
        try (AttachedStrategy attached = job.strategy().attach(model)) {
            int length = job.data().maxLength(model);
            MemoryPlan plan = MemoryPlan.of(
                    model,
                    attached,
                    (long) job.arguments().perDeviceTrainBatchSize() * length,
                    job.arguments().gradientCheckpointingLayers());
            System.out.println(
                    String.format(Locale.ROOT, "trains      %,d of %,d parameters", plan.trainable(), plan.total()));
            System.out.println("memory      " + plan.describe());
        }
    }
}
