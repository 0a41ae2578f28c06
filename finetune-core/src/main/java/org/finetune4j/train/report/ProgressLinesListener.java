package org.finetune4j.train.report;

import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingPlan;
import org.finetune4j.train.TrainingSummary;

/**
 * Prints a line for the first and the last step, and in between whenever a number of steps or a time has passed since
 * the last line, as well as for every evaluation and checkpoint. No control characters: made for logs.
 */
public final class ProgressLinesListener implements ProgressListener {

    private static final int LINES_A_RUN = 20;
    private static final Duration DEFAULT_INTERVAL = Duration.ofSeconds(30);

    private final PrintStream out;
    private final long wantedEverySteps;
    private final Duration everyTime;

    private long everySteps = 1;
    private long startStep;
    private long lastPrintedStep = -1;
    private Duration lastPrintedAt = Duration.ZERO;

    /**
     * About twenty lines a run, and at least one every 30 seconds.
     *
     * @param out where the lines go
     */
    public ProgressLinesListener(PrintStream out) {
        this(out, 0, DEFAULT_INTERVAL);
    }

    /**
     * Lines as often as the caller likes.
     *
     * @param out where the lines go
     * @param everySteps steps from one line to the next; 0 for a twentieth of the run
     * @param everyTime time after which a line is printed even so
     */
    public ProgressLinesListener(PrintStream out, long everySteps, Duration everyTime) {
        this.out = out;
        this.wantedEverySteps = everySteps;
        this.everyTime = everyTime;
    }

    @Override
    public void onStart(TrainingPlan plan) {
        everySteps = wantedEverySteps > 0 ? wantedEverySteps : Math.max(1, plan.totalSteps() / LINES_A_RUN);
        startStep = plan.startStep();
        lastPrintedStep = -1;
        lastPrintedAt = Duration.ZERO;
        out.println(ProgressText.start(plan));
    }

    @Override
    public void onStep(StepMetrics metrics) {
        boolean due = lastPrintedStep < 0
                || metrics.step() == metrics.totalSteps()
                || metrics.step() % everySteps == 0
                || metrics.elapsed().minus(lastPrintedAt).compareTo(everyTime) >= 0;
        if (due) {
            lastPrintedStep = metrics.step();
            lastPrintedAt = metrics.elapsed();
            out.println(line(metrics));
        }
    }

    @Override
    public void onEvaluation(EvaluationMetrics metrics) {
        out.println(ProgressText.evaluation(metrics));
    }

    @Override
    public void onCheckpoint(Path directory, long step) {
        out.println(ProgressText.checkpoint(directory, step));
    }

    @Override
    public void onEnd(TrainingSummary summary) {
        out.println(ProgressText.end(summary));
    }

    private String line(StepMetrics metrics) {
        return String.format(
                Locale.ROOT,
                "step %d/%d  epoch %.2f  loss %s%s  lr %s  grad norm %s  %s tokens/s  %s elapsed  %s left",
                metrics.step(),
                metrics.totalSteps(),
                metrics.epoch(),
                MetricFormat.decimal(metrics.loss()),
                ProgressText.named("  ", metrics.metrics()),
                MetricFormat.learningRate(metrics.learningRate()),
                MetricFormat.decimal(metrics.gradientNorm()),
                MetricFormat.count(metrics.tokensPerSecond()),
                MetricFormat.duration(metrics.elapsed()),
                MetricFormat.duration(ProgressText.timeLeft(metrics, startStep)));
    }
}
