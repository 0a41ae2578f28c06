package org.finetune4j.examples;

import java.nio.file.Files;
import java.nio.file.Path;
import org.finetune4j.data.examples.InstructionDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.report.HtmlReportListener;
import org.finetune4j.train.report.TensorBoardListener;

/**
 * Full fine-tuning with checkpoints to resume from, a held-out part, reports, and a listener of one's own.
 *
 * <p>Arguments: model directory, Alpaca records, output directory. Run it again to go on after a kill.
 */
public final class WatchATraining {

    private WatchATraining() {}

    /**
     * Runs the example.
     *
     * @param args see the class
     */
    public static void main(String[] args) {
        Path output = Path.of(args[2]);
        try (CausalLM model = CausalLM.load(Path.of(args[0]));
                TrainingResult result = FineTuner.of(model)
                        .strategy(new FullFineTuning())
                        .dataset(InstructionDataset.load(Path.of(args[1])))
                        .evaluationFraction(0.1)
                        .arguments(TrainingArguments.builder()
                                .epochs(2)
                                .learningRate(2e-5)
                                .batchSize(4)
                                .gradientAccumulationSteps(2)
                                .outputDirectory(output)
                                .saveSteps(50)
                                .resume(Files.isDirectory(output))
                                .build())
                        .listener(new LossPrinter())
                        .listener(new TensorBoardListener(output.resolve("runs")))
                        .listener(new HtmlReportListener(output.resolve("report.html")))
                        .train()) {
            result.save(output.resolve("model"));
        }
    }

    /** Prints what happens; a real one might feed a dashboard. */
    private static final class LossPrinter implements TrainingListener {

        @Override
        public void onStep(StepMetrics metrics) {
            System.out.println("step " + metrics.step() + " of " + metrics.totalSteps() + ": loss " + metrics.loss());
        }

        @Override
        public void onEvaluation(EvaluationMetrics metrics) {
            System.out.println("held-out loss " + metrics.loss());
        }
    }
}
