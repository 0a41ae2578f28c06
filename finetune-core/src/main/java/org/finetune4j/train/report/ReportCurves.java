package org.finetune4j.train.report;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.StepMetrics;

/**
 * The curves of the report: loss large, then learning rate, gradient norm and speed side by side, and whatever a training
 * measures besides under its name.
 */
final class ReportCurves {

    /** Fewer steps than this show their course without smoothing. */
    private static final int SMOOTHING_FROM = 60;

    /** Steps that the smoothed curve averages over, as a share of all. */
    private static final double SMOOTHING_SHARE = 0.02;

    private ReportCurves() {}

    static String render(TrainingHistory history) {
        List<StepMetrics> steps = history.steps();
        List<EvaluationMetrics> evaluations = history.evaluations();
        if (steps.isEmpty() && evaluations.isEmpty()) {
            return "";
        }
        StringBuilder html = new StringBuilder("<section>\n<h2>Curves</h2>\n");
        html.append(loss(steps, evaluations));
        if (!steps.isEmpty()) {
            html.append("<div class=\"charts\">\n");
            html.append(learningRate(steps));
            html.append(noisy("gradient-norm", "Gradient norm", "norm", steps, StepMetrics::gradientNorm));
            html.append(noisy("speed", "Tokens per second", "speed", steps, StepMetrics::tokensPerSecond));
            html.append("</div>\n");
        }
        html.append(metrics(steps, evaluations));
        html.append(ReportTables.evaluations(evaluations));
        return html.append("</section>\n").toString();
    }

    private static String loss(List<StepMetrics> steps, List<EvaluationMetrics> evaluations) {
        Series train = Series.of(steps, StepMetrics::step, StepMetrics::loss);
        Series heldOut = Series.of(evaluations, EvaluationMetrics::step, EvaluationMetrics::loss);
        double last = Math.max(last(train), last(heldOut));
        String description = describe("training loss", train) + " " + describe("held-out loss", heldOut);
        return trainedAndHeldOut(new LineChart("loss", "Loss", description, last), train, heldOut);
    }

    private static String trainedAndHeldOut(LineChart chart, Series train, Series heldOut) {
        if (train.size() < SMOOTHING_FROM) {
            chart.add("Training", "train", LineChart.Style.LINE, train);
        } else {
            chart.add("Training, each step", "train", LineChart.Style.FAINT, train);
            chart.add("Training, smoothed", "train", LineChart.Style.LINE, smooth(train));
        }
        chart.add("Held-out", "held-out", LineChart.Style.DOTS, heldOut);
        return chart.noteGaps("Training", train).noteGaps("Held-out", heldOut).toHtml();
    }

    /** One chart a metric, in the order in which they came up. */
    private static String metrics(List<StepMetrics> steps, List<EvaluationMetrics> evaluations) {
        Set<String> names = new LinkedHashSet<>();
        steps.forEach(step -> names.addAll(step.metrics().keySet()));
        evaluations.forEach(evaluation -> names.addAll(evaluation.scores().keySet()));
        if (names.isEmpty()) {
            return "";
        }
        StringBuilder html = new StringBuilder("<div class=\"charts\">\n");
        int number = 0;
        for (String name : names) {
            Series train = Series.of(
                    steps.stream()
                            .filter(step -> step.metrics().containsKey(name))
                            .toList(),
                    StepMetrics::step,
                    step -> step.metrics().get(name));
            Series heldOut = Series.of(
                    evaluations.stream()
                            .filter(evaluation -> evaluation.scores().containsKey(name))
                            .toList(),
                    EvaluationMetrics::step,
                    evaluation -> evaluation.scores().get(name));
            String description = describe(name, train) + " " + describe("held-out " + name, heldOut);
            double last = Math.max(last(train), last(heldOut));
            html.append(
                    trainedAndHeldOut(new LineChart("metric-" + ++number, name, description, last), train, heldOut));
        }
        return html.append("</div>\n").toString();
    }

    private static String learningRate(List<StepMetrics> steps) {
        Series series = Series.of(steps, StepMetrics::step, StepMetrics::learningRate);
        return new LineChart("learning-rate", "Learning rate", describe("Learning rate", series), last(series))
                .add("Learning rate", "rate", LineChart.Style.AREA, series)
                .toHtml();
    }

    private static String noisy(
            String id, String title, String color, List<StepMetrics> steps, ToDoubleFunction<StepMetrics> value) {
        Series series = Series.of(steps, StepMetrics::step, value);
        LineChart chart = new LineChart(id, title, describe(title, series), last(series));
        if (series.size() < SMOOTHING_FROM) {
            chart.add(title, color, LineChart.Style.LINE, series);
        } else {
            chart.add("Each step", color, LineChart.Style.FAINT, series);
            chart.add("Smoothed", color, LineChart.Style.LINE, smooth(series));
        }
        return chart.noteGaps(title, series).toHtml();
    }

    private static Series smooth(Series series) {
        return series.smoothed(series.size() * SMOOTHING_SHARE);
    }

    private static double last(Series series) {
        return series.size() == 0 ? 0 : series.x()[series.size() - 1];
    }

    private static String describe(String name, Series series) {
        if (Double.isNaN(series.min())) {
            return "No " + name + ".";
        }
        return "%s between %s and %s, up to step %s."
                .formatted(
                        Character.toUpperCase(name.charAt(0)) + name.substring(1),
                        MetricFormat.tick(series.min()),
                        MetricFormat.tick(series.max()),
                        MetricFormat.count(last(series)));
    }
}
