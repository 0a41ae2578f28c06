package org.finetune4j.cli.quickstart;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.finetune4j.data.examples.InstructionDataset;
import org.finetune4j.data.format.Instruction;
import org.finetune4j.data.supervised.SupervisedSamples;
import org.finetune4j.model.CausalLM;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.SampleComparison;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.evaluation.Answers;
import org.finetune4j.train.evaluation.Questions;
import org.finetune4j.train.report.HtmlReportListener;
import org.finetune4j.train.report.ProgressListener;
import org.finetune4j.train.report.TensorBoardListener;
import org.finetune4j.train.stage.SupervisedFineTuning;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Fine-tunes the embedded model on the embedded task: a real run of the same trainer. */
@Command(
        name = "quickstart",
        mixinStandardHelpOptions = true,
        description = "Fine-tunes the small model that ships with this program, in about a minute, without a network.")
public final class QuickstartCommand implements Callable<Integer> {

    private static final int PREVIEWS = 6;

    @Option(
            names = "--out",
            defaultValue = "quickstart-out",
            paramLabel = "DIR",
            description = "Where everything is written (default: ${DEFAULT-VALUE}).")
    private Path out;

    @Option(names = "--only-files", description = "Write the model and the task and do not train.")
    private boolean onlyFiles;

    @Option(
            names = "--stage",
            defaultValue = "sft",
            paramLabel = "NAME",
            description = "sft, or how it learns from feedback: dpo, grpo or ppo (default: ${DEFAULT-VALUE}).")
    private String stage;

    private final SamplePrinter samples = new SamplePrinter();

    @Override
    public Integer call() {
        return stage.equals(SupervisedFineTuning.NAME) ? supervised() : fromFeedback(FeedbackStage.named(stage));
    }

    private int fromFeedback(FeedbackStage feedback) {
        AnswerStyleFiles files = AnswerStyleFiles.write(out);
        if (onlyFiles) {
            System.out.println(out);
        } else {
            new FeedbackQuickstart(feedback, out, files).run();
        }
        return 0;
    }

    private int supervised() {
        long started = System.nanoTime();
        QuickstartTask task = QuickstartTask.write(out);
        if (onlyFiles) {
            System.out.println(out);
            return 0;
        }
        System.out.println("A small language model has read about a village, but was never asked a question.");
        try (CausalLM model = CausalLM.load(task.base())) {
            InstructionDataset heldOut = InstructionDataset.load(task.heldOut());
            SupervisedSamples questions =
                    SupervisedSamples.of(heldOut, model.tokenizer(), QuickstartRecipe.tokenization());
            double before = score(model, questions);
            System.out.printf(
                    Locale.ROOT, "before: %.0f%% of %d held-out questions answered%n", 100 * before, questions.size());
            try (TrainingResult result = train(model, task, heldOut)) {
                double after = score(model, questions);
                result.saveAdapter(out.resolve("adapter"));
                result.adapter().merge();
                model.save(out.resolve("merged"));
                Duration elapsed = Duration.ofNanos(System.nanoTime() - started);
                printResult(before, after, questions.size(), elapsed, ((Instruction) heldOut.get(0)).instruction());
            }
        }
        return 0;
    }

    private TrainingResult train(CausalLM model, QuickstartTask task, InstructionDataset heldOut) {
        return FineTuner.of(model)
                .strategy(QuickstartRecipe.lora())
                .dataset(InstructionDataset.load(task.train()))
                .evaluation(heldOut)
                .tokenization(QuickstartRecipe.tokenization())
                .arguments(QuickstartRecipe.fineTuning().build())
                .previews(PREVIEWS)
                .listener(ProgressListener.console())
                .listener(new TensorBoardListener(out.resolve("runs")))
                .listener(new HtmlReportListener(out.resolve("report.html")))
                .listener(samples)
                .train();
    }

    private static double score(CausalLM model, SupervisedSamples questions) {
        return Answers.of(
                        model,
                        Questions.of(questions, model.tokenizer()).orElseThrow(),
                        QuickstartRecipe.EVALUATION_BATCH,
                        QuickstartRecipe.MAX_ANSWER_TOKENS)
                .exactMatch();
    }

    /** A path as a shell takes it. */
    static String quoted(Path path) {
        String text = path.toString();
        return text.matches("[\\w./\\\\:-]+") ? text : "\"" + text + "\"";
    }

    private void printResult(double before, double after, int questions, Duration elapsed, String any) {
        String question = samples.answered.isEmpty() ? any : samples.answered;
        System.out.printf(
                Locale.ROOT,
                "%nheld-out questions answered exactly: %.1f%% before, %.1f%% after (%d questions, %d s)%n",
                100 * before,
                100 * after,
                questions,
                elapsed.toSeconds());
        System.out.println("adapter  " + out.resolve("adapter"));
        System.out.println("merged   " + out.resolve("merged"));
        System.out.println("report   " + out.resolve("report.html"));
        System.out.println();
        System.out.println("ask it:");
        System.out.println("./finetune generate --model " + quoted(out.resolve("base")) + " --adapter "
                + quoted(out.resolve("adapter")) + " --chat --prompt \"" + question + "\"");
    }

    /** Shows answers from before and after the run. */
    private static final class SamplePrinter implements TrainingListener {

        /** The first question with the right answer, to ask again; empty where there is none. */
        private String answered = "";

        @Override
        public void onSamples(List<SampleComparison> samples) {
            for (SampleComparison sample : samples) {
                String question = sample.prompt().lines().skip(1).findFirst().orElse("");
                if (answered.isEmpty() && sample.after().strip().equals(sample.expected())) {
                    answered = question;
                }
                System.out.println();
                System.out.println("question  " + question);
                System.out.println("before    " + oneLine(sample.before()));
                System.out.println("after     " + oneLine(sample.after()) + "   (expected: " + sample.expected() + ")");
            }
        }

        private static String oneLine(String text) {
            String line = text.replace('\n', ' ').strip();
            return line.length() <= 90 ? line : line.substring(0, 90) + "...";
        }
    }
}
