package org.finetune4j.train.report;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.stream.Collectors;
import org.finetune4j.train.EndReason;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingPlan;
import org.finetune4j.train.TrainingSummary;

/** The lines that both kinds of progress print. */
final class ProgressText {

    /** Reports have all of them. */
    private static final int MOST_NAMED = 6;

    private ProgressText() {}

    static String start(TrainingPlan plan) {
        String from = plan.startStep() == 0 ? "" : ", resumed after step " + plan.startStep();
        return "%s: %s steps%s, %s of %s parameters trainable (%s)"
                .formatted(
                        plan.runName(),
                        MetricFormat.count((double) plan.totalSteps()),
                        from,
                        MetricFormat.magnitude(plan.trainableParameters()),
                        MetricFormat.magnitude(plan.totalParameters()),
                        MetricFormat.percent((double) plan.trainableParameters() / plan.totalParameters()));
    }

    static String evaluation(EvaluationMetrics metrics) {
        StringBuilder text = new StringBuilder(
                "evaluation after step %s: loss %s".formatted(metrics.step(), MetricFormat.decimal(metrics.loss())));
        if (metrics.isOfLanguage()) {
            text.append(", perplexity ").append(MetricFormat.decimal(metrics.perplexity()));
        }
        Double exactMatch = metrics.exactMatch();
        if (exactMatch != null) {
            text.append(", exact match ").append(MetricFormat.percent(exactMatch));
        }
        text.append(named(", ", metrics.scores()));
        return text.toString();
    }

    /** Numbers with their names, each after a separator; the first ones, so that a line stays a line. */
    static String named(String separator, Map<String, Double> numbers) {
        return numbers.entrySet().stream()
                .limit(MOST_NAMED)
                .map(entry ->
                        separator + entry.getKey().replace('_', ' ') + ' ' + MetricFormat.decimal(entry.getValue()))
                .collect(Collectors.joining());
    }

    static String checkpoint(Path directory, long step) {
        return "checkpoint of step " + step + " saved to " + directory;
    }

    static String end(TrainingSummary summary) {
        Double loss = summary.finalLoss();
        Double best = summary.bestEvaluationLoss();
        boolean trained = summary.tokensPerSecond() > 0;
        return "%s after %s steps in %s%s%s%s%s"
                .formatted(
                        summary.interrupted() ? "interrupted" : "done",
                        MetricFormat.count((double) summary.steps()),
                        MetricFormat.duration(summary.elapsed()),
                        loss == null ? "" : ": loss " + MetricFormat.decimal(loss),
                        best == null ? "" : ", best evaluation loss " + MetricFormat.decimal(best),
                        trained ? ", " + MetricFormat.count(summary.tokensPerSecond()) + " tokens/s" : "",
                        trained && summary.reason() == EndReason.COMPLETED ? "" : "; " + summary.explanation());
    }

    /** What the steps still to do take at the mean pace since this start, evaluations included. */
    static Duration timeLeft(StepMetrics metrics, long startStep) {
        long done = metrics.step() - startStep;
        long left = Math.max(0, metrics.totalSteps() - metrics.step());
        return done <= 0 ? Duration.ZERO : Duration.ofMillis(metrics.elapsed().toMillis() * left / done);
    }
}
