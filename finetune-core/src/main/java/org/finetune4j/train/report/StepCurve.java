package org.finetune4j.train.report;

import java.util.Locale;
import java.util.Objects;
import org.finetune4j.train.StepMetrics;

/** One curve over the steps of a run as an SVG picture of its own, for notebooks and pages of others. */
public final class StepCurve {

    private static final int WIDTH = 640;
    private static final int HEIGHT = 240;
    private static final int LEFT = 56;
    private static final int BOTTOM = 28;
    private static final int MARGIN = 24;
    private static final int TICKS = 5;
    private static final int POINTS = 400;

    private StepCurve() {}

    /**
     * Draws the loss.
     *
     * @param history of the run
     * @return an {@code svg} element
     */
    public static String loss(TrainingHistory history) {
        return draw("loss", Series.of(history.steps(), StepMetrics::step, StepMetrics::loss), history);
    }

    /**
     * Draws what an objective or a source of batches measured.
     *
     * @param history of the run
     * @param name among {@link StepMetrics#metrics()}; steps without it are gaps
     * @return an {@code svg} element
     */
    public static String metric(TrainingHistory history, String name) {
        return draw(
                name,
                Series.of(
                        history.steps(),
                        StepMetrics::step,
                        step -> Objects.requireNonNullElse(step.metrics().get(name), Double.NaN)),
                history);
    }

    private static String draw(String title, Series all, TrainingHistory history) {
        Series series = all.size() == 0 ? all : all.downsampled(POINTS);
        AxisScale steps = AxisScale.steps((double) history.lastStep(), TICKS);
        AxisScale values = AxisScale.around(series.min(), series.max(), TICKS);
        StringBuilder svg = new StringBuilder(format(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" font-family=\"sans-serif\""
                        + " font-size=\"11\" role=\"img\"><title>%s</title><rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>",
                WIDTH, HEIGHT, WIDTH, HtmlPage.escape(title)));
        svg.append(format("<text x=\"%d\" y=\"14\">%s</text>", LEFT, HtmlPage.escape(title)));
        for (double tick : values.ticks()) {
            double y = y(values, tick);
            svg.append(format("<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/>", LEFT, y, WIDTH - MARGIN));
            svg.append(format(
                    "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
                    LEFT - 6, y + 4, MetricFormat.tick(tick, values.max())));
        }
        for (double tick : steps.ticks()) {
            svg.append(format(
                    "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>",
                    x(steps, tick), HEIGHT - 10, MetricFormat.count(tick)));
        }
        StringBuilder line = new StringBuilder();
        for (int i = 0; i < series.size(); i++) {
            if (series.hasPoint(i)) {
                boolean starts = i == 0 || !series.hasPoint(i - 1);
                line.append(
                        format("%s%.1f %.1f", starts ? "M" : "L", x(steps, series.x()[i]), y(values, series.y()[i])));
            }
        }
        return svg.append("<path d=\"")
                .append(line)
                .append("\" fill=\"none\" stroke=\"#1a6fb0\" stroke-width=\"1.5\" stroke-linecap=\"round\"/></svg>")
                .toString();
    }

    private static double x(AxisScale steps, double step) {
        return LEFT + (WIDTH - LEFT - MARGIN) * steps.fraction(step);
    }

    private static double y(AxisScale values, double value) {
        return MARGIN + (HEIGHT - MARGIN - BOTTOM) * (1 - values.fraction(value));
    }

    private static String format(String format, Object... arguments) {
        return String.format(Locale.ROOT, format, arguments);
    }
}
