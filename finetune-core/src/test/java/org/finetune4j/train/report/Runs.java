package org.finetune4j.train.report;

import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.finetune4j.train.EndReason;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.SampleComparison;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingPlan;
import org.finetune4j.train.TrainingSummary;

/** Training runs as a trainer would report them. */
public final class Runs {

    private Runs() {}

    public static TrainingPlan plan(long totalSteps, long startStep) {
        Map<String, Object> configuration = new LinkedHashMap<>();
        configuration.put("model", Path.of("models", "stories15M"));
        configuration.put("method", "lora");
        configuration.put("learning_rate", 2e-4);
        configuration.put("warmup_steps", totalSteps / 10);
        configuration.put("lora", Map.of("target_modules", List.of("q_proj", "v_proj")));
        configuration.put("max_grad_norm", 1.0);
        configuration.put("seed", null);
        return new TrainingPlan("stories15M-lora", totalSteps, 3, startStep, 1_216_512, 134_515_008, configuration);
    }

    /** A step of a plausible run: noisy exponential decay, warm-up and cosine. */
    public static StepMetrics step(long step, long totalSteps) {
        double progress = (double) step / totalSteps;
        double noise = new Random(step).nextGaussian();
        double loss = 0.45 + 3.6 * Math.exp(-5 * progress) + 0.12 * noise * (0.4 + Math.exp(-3 * progress));
        double rate = progress < 0.1 ? progress * 10 : 0.5 * (1 + Math.cos(Math.PI * (progress - 0.1) / 0.9));
        return new StepMetrics(
                step,
                totalSteps,
                3 * progress,
                loss,
                2e-4 * rate,
                Math.exp(0.4 * noise) * (0.6 + 2 * Math.exp(-6 * progress)),
                1024,
                600,
                4200 + 180 * new Random(-step).nextGaussian(),
                Duration.ofMillis(250 * step));
    }

    static StepMetrics step(long step, double loss) {
        return new StepMetrics(step, 10, 0.5, loss, 1e-3, 1, 8, 4, 100, Duration.ofSeconds(step));
    }

    static EvaluationMetrics evaluation(long step, long totalSteps) {
        double progress = (double) step / totalSteps;
        return new EvaluationMetrics(step, 0.62 + 3.4 * Math.exp(-4.5 * progress), 12_345, 0.9 * progress);
    }

    static List<SampleComparison> samples() {
        return List.of(
                new SampleComparison(
                        "Reverse the word: garden", "nedrag", "Once upon a time, there was a little garden.", "nedrag"),
                new SampleComparison("Reverse the word: <script>alert('x')</script>", "river", "", "revir"),
                new SampleComparison(
                        "Write a short poem about the sea.\nTwo lines.",
                        null,
                        "The sea. The sea. The sea. The sea.",
                        "The sea lies grey, the sea lies wide,\nand carries morning on its tide."));
    }

    public static TrainingSummary summary(long steps, boolean interrupted) {
        return new TrainingSummary(
                steps,
                0.4512,
                0.6577,
                Duration.ofMillis(250 * steps + 4000),
                4096,
                interrupted ? EndReason.INTERRUPTED : EndReason.COMPLETED,
                interrupted ? "stopped on request" : "all steps are done");
    }

    /** Steps {@code from} (exclusive) to {@code to}, with an evaluation and a checkpoint every tenth of the run. */
    static void steps(TrainingListener listener, long from, long to, long totalSteps) {
        for (long step = from + 1; step <= to; step++) {
            listener.onStep(step(step, totalSteps));
            if (step % Math.max(1, totalSteps / 10) == 0) {
                listener.onEvaluation(evaluation(step, totalSteps));
                listener.onCheckpoint(Path.of("out", "checkpoint-" + step), step);
            }
        }
    }

    static void complete(TrainingListener listener, long totalSteps) {
        listener.onStart(plan(totalSteps, 0));
        listener.onEvaluation(evaluation(0, totalSteps));
        steps(listener, 0, totalSteps, totalSteps);
        listener.onSamples(samples());
        listener.onEnd(summary(totalSteps, false));
    }
}
