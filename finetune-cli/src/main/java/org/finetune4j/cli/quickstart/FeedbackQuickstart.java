package org.finetune4j.cli.quickstart;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.finetune4j.cli.quickstart.data.AnswerStyleTask.Item;
import org.finetune4j.data.examples.InstructionDataset;
import org.finetune4j.generate.Completion;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.report.HtmlReportListener;
import org.finetune4j.train.report.ProgressListener;
import org.finetune4j.train.report.TensorBoardListener;

/**
 * Learning from feedback in some minutes: the embedded model is taught to answer questions in two ways, then learns which of
 * them people prefer, and is measured on questions about people that it was never asked about.
 */
final class FeedbackQuickstart {

    private static final int TAUGHT_EPOCHS = 5;
    private static final int MAX_ANSWER_TOKENS = 16;
    private static final int SHOWN = 3;

    private final FeedbackStage stage;
    private final Path out;
    private final AnswerStyleFiles files;

    FeedbackQuickstart(FeedbackStage stage, Path out, AnswerStyleFiles files) {
        this.stage = stage;
        this.out = out;
        this.files = files;
    }

    /** How the held-out questions are answered. */
    private record Score(double sentences, double facts, List<String> answers) {}

    /** Trains, measures, and writes everything. */
    void run() {
        long started = System.nanoTime();
        System.out.println("A small language model is taught to answer questions about a village, shortly or in whole"
                + " sentences, as it happens.");
        Path taught = out.resolve("sft");
        teach(taught);
        System.out.println();
        System.out.println("Now it learns by " + stage.label() + " that whole sentences are preferred.");
        try (CausalLM model = CausalLM.load(taught)) {
            Score before = score(model);
            try (TrainingResult result = stage.train(model, files, listeners())) {
                Score after = score(model);
                result.saveAdapter(out.resolve("adapter"));
                result.adapter().merge();
                model.save(out.resolve("merged"));
                print(before, after, Duration.ofNanos(System.nanoTime() - started));
            }
        }
    }

    private void teach(Path directory) {
        try (CausalLM model = CausalLM.load(files.base());
                TrainingResult result = FineTuner.of(model)
                        .strategy(QuickstartRecipe.lora())
                        .dataset(InstructionDataset.load(files.taught()))
                        .tokenization(QuickstartRecipe.tokenization())
                        .arguments(QuickstartRecipe.fineTuning()
                                .epochs(TAUGHT_EPOCHS)
                                .build())
                        .listener(ProgressListener.console())
                        .train()) {
            result.adapter().merge();
            model.save(directory);
        }
    }

    private List<TrainingListener> listeners() {
        return List.of(
                ProgressListener.console(),
                new TensorBoardListener(out.resolve("runs")),
                new HtmlReportListener(out.resolve("report.html")));
    }

    /** Draws one answer to every held-out question: what the model is likely to say, not only what it says first. */
    private Score score(CausalLM model) {
        List<String> prompts =
                files.questions().stream().map(AnswerStyleFiles::prompt).toList();
        GenerationOptions options = GenerationOptions.builder()
                .maxNewTokens(MAX_ANSWER_TOKENS)
                .temperature(1)
                .seed(QuickstartRecipe.TASK_SEED)
                .build();
        List<Completion> completions = TextGenerator.of(model).complete(prompts, options);
        List<String> answers = new ArrayList<>();
        int sentences = 0;
        int facts = 0;
        for (int i = 0; i < completions.size(); i++) {
            Item item = files.questions().get(i);
            String answer = completions.get(i).text().strip();
            sentences += answer.startsWith(item.stem()) && answer.endsWith(".") ? 1 : 0;
            facts += answer.equals(item.sentence()) || answer.equals(item.shortAnswer()) ? 1 : 0;
            answers.add(answer);
        }
        double count = completions.size();
        return new Score(sentences / count, facts / count, answers);
    }

    private void print(Score before, Score after, Duration elapsed) {
        for (int i = 0; i < SHOWN; i++) {
            System.out.println();
            System.out.println("question  " + files.questions().get(i).question());
            System.out.println("before    " + before.answers().get(i));
            System.out.println("after     " + after.answers().get(i));
        }
        System.out.printf(
                Locale.ROOT,
                "%nheld-out questions answered in whole sentences: %.1f%% before, %.1f%% after (%d questions, %d s)%n",
                100 * before.sentences(),
                100 * after.sentences(),
                files.questions().size(),
                elapsed.toSeconds());
        System.out.printf(
                Locale.ROOT,
                "with the right fact, in either way: %.1f%% before, %.1f%% after%n",
                100 * before.facts(),
                100 * after.facts());
        System.out.println("adapter  " + out.resolve("adapter") + ", on " + out.resolve("sft"));
        System.out.println("merged   " + out.resolve("merged"));
        System.out.println("report   " + out.resolve("report.html"));
        System.out.println();
        System.out.println("ask it:");
        System.out.println("./finetune generate --model " + QuickstartCommand.quoted(out.resolve("merged"))
                + " --chat --prompt \"" + files.questions().get(0).question() + "\"");
    }
}
