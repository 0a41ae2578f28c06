package org.finetune4j.train.report;

import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.finetune4j.train.EndReason;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingPlan;
import org.finetune4j.train.TrainingSummary;

/** Top of the report: how the run stands, in one sentence and a few figures. */
final class ReportSummary {

    private ReportSummary() {}

    static String render(TrainingHistory history, String name) {
        StringBuilder html = new StringBuilder("<header>\n<p class=\"kind\">Fine-tuning report</p>\n");
        html.append("<div class=\"title\"><h1>").append(Html.escape(name)).append("</h1>");
        html.append(status(history)).append("</div>\n");
        html.append("<p class=\"lead\">").append(Html.escape(lead(history))).append("</p>\n");
        html.append(notice(history));
        history.warnings().forEach(warning -> html.append(notice("warn", warning)));
        html.append("</header>\n");
        return html.append(figures(history)).toString();
    }

    private static String status(TrainingHistory history) {
        TrainingSummary summary = history.summary();
        if (history.failure() != null) {
            return "<span class=\"status bad\">Failed</span>";
        }
        if (summary == null) {
            return "<span class=\"status warn\">Not finished</span>";
        }
        return switch (summary.reason()) {
            case INTERRUPTED -> "<span class=\"status warn\">Interrupted</span>";
            case EARLY_STOPPING -> "<span class=\"status good\">Stopped early</span>";
            case COLLAPSED -> "<span class=\"status bad\">Collapsed</span>";
            case COMPLETED -> "<span class=\"status good\">Completed</span>";
        };
    }

    private static String lead(TrainingHistory history) {
        TrainingPlan plan = history.plan();
        StringBuilder text = new StringBuilder(MetricFormat.count((double) history.lastStep()));
        if (plan != null) {
            text.append(" of ").append(MetricFormat.count((double) plan.totalSteps()));
        }
        text.append(" steps in ")
                .append(MetricFormat.durationInWords(history.elapsed()))
                .append('.');
        List<EvaluationMetrics> evaluations = history.evaluations();
        if (evaluations.size() > 1) {
            EvaluationMetrics first = evaluations.get(0);
            EvaluationMetrics last = evaluations.get(evaluations.size() - 1);
            text.append(" Held-out loss ").append(fromTo(first.loss(), last.loss()));
            best(evaluations).filter(best -> best.loss() < last.loss()).ifPresent(best -> text.append(
                            ", with its best at step ")
                    .append(MetricFormat.count((double) best.step())));
            text.append('.');
        } else if (history.steps().size() > 1) {
            StepMetrics first = history.steps().get(0);
            StepMetrics last = history.steps().get(history.steps().size() - 1);
            text.append(" Training loss ")
                    .append(fromTo(first.loss(), last.loss()))
                    .append('.');
        }
        return text.toString();
    }

    private static Optional<EvaluationMetrics> best(List<EvaluationMetrics> evaluations) {
        return evaluations.stream()
                .filter(evaluation -> Double.isFinite(evaluation.loss()))
                .min(Comparator.comparingDouble(EvaluationMetrics::loss));
    }

    private static String fromTo(double first, double last) {
        String verb = last < first ? "fell" : last > first ? "rose" : "went";
        return verb + " from " + MetricFormat.decimal(first) + " to " + MetricFormat.decimal(last);
    }

    private static String notice(TrainingHistory history) {
        TrainingHistory.Checkpoint checkpoint = history.lastCheckpoint();
        TrainingSummary summary = history.summary();
        boolean complete = summary != null && !summary.interrupted();
        String resume = complete || checkpoint == null
                ? ""
                : "Last checkpoint: " + checkpoint.directory() + " (step "
                        + MetricFormat.count((double) checkpoint.step()) + ")";
        if (history.failure() != null) {
            return notice("bad", history.failure() + (resume.isEmpty() ? "" : "\n" + resume));
        }
        if (summary != null && summary.reason() == EndReason.EARLY_STOPPING) {
            return notice("good", summary.explanation());
        }
        if (summary != null && summary.reason() == EndReason.COLLAPSED) {
            return notice("bad", summary.explanation());
        }
        return resume.isEmpty() ? "" : notice("warn", resume);
    }

    private static String notice(String kind, String text) {
        return "<p class=\"notice %s\">%s</p>\n".formatted(kind, Html.escape(text));
    }

    private static String figures(TrainingHistory history) {
        StringBuilder html = new StringBuilder("<dl class=\"figures\">\n");
        List<StepMetrics> steps = history.steps();
        if (!steps.isEmpty()) {
            String first = steps.size() > 1
                    ? "from " + MetricFormat.decimal(steps.get(0).loss())
                    : "first step";
            double last = steps.get(steps.size() - 1).loss();
            html.append(figure("Training loss", MetricFormat.decimal(last), first));
        }
        appendEvaluations(html, history.evaluations());
        TrainingPlan plan = history.plan();
        if (plan != null) {
            String epochs = "of " + MetricFormat.count((double) plan.totalSteps()) + ", " + epochs(plan.totalEpochs());
            html.append(figure("Steps", MetricFormat.count((double) history.lastStep()), epochs));
        }
        if (!steps.isEmpty()) {
            html.append(figure("Tokens per second", MetricFormat.count(meanSpeed(steps)), "while training"));
        }
        if (plan != null) {
            double share = (double) plan.trainableParameters() / plan.totalParameters();
            html.append(figure(
                    "Trained parameters",
                    MetricFormat.magnitude(plan.trainableParameters()),
                    MetricFormat.percent(share) + " of " + MetricFormat.magnitude(plan.totalParameters())));
        }
        return html.append("</dl>\n").toString();
    }

    private static void appendEvaluations(StringBuilder html, List<EvaluationMetrics> evaluations) {
        best(evaluations)
                .ifPresent(best -> html.append(figure(
                        "Best held-out loss",
                        MetricFormat.decimal(best.loss()),
                        best.isOfLanguage()
                                ? "perplexity " + MetricFormat.tick(best.perplexity())
                                : "step " + MetricFormat.count((double) best.step()))));
        if (!evaluations.isEmpty()) {
            EvaluationMetrics last = evaluations.get(evaluations.size() - 1);
            Double accuracy = last.scores().get("accuracy");
            if (accuracy != null) {
                html.append(figure("Held-out accuracy", MetricFormat.percent(accuracy), "last evaluation"));
            }
        }
        List<Double> matches = evaluations.stream()
                .map(EvaluationMetrics::exactMatch)
                .filter(Objects::nonNull)
                .toList();
        if (!matches.isEmpty()) {
            html.append(figure(
                    "Exact match",
                    MetricFormat.percent(matches.get(matches.size() - 1)),
                    "from " + MetricFormat.percent(matches.get(0))));
        }
    }

    private static String epochs(double epochs) {
        boolean whole = epochs == Math.rint(epochs);
        String number = whole ? MetricFormat.count(epochs) : MetricFormat.tick(epochs);
        return number + (epochs == 1 ? " epoch" : " epochs");
    }

    /** Tokens of all steps by the time that the steps took, without evaluations and checkpoints. */
    private static double meanSpeed(List<StepMetrics> steps) {
        double tokens = 0;
        double seconds = 0;
        for (StepMetrics step : steps) {
            if (step.tokensPerSecond() > 0) {
                tokens += step.tokens();
                seconds += step.tokens() / step.tokensPerSecond();
            }
        }
        return seconds == 0 ? 0 : tokens / seconds;
    }

    private static String figure(String name, String value, String note) {
        return "<div><dt>%s</dt><dd class=\"value\">%s</dd><dd class=\"note\">%s</dd></div>\n"
                .formatted(Html.escape(name), Html.escape(value), Html.escape(note));
    }
}
