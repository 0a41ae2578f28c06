package org.finetune4j.train.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A figure with curves over training steps: SVG for lines, HTML for words. The SVG stretches with the page while its
 * strokes keep their width, and the words keep their size; so one figure suits a telephone, a screen and paper.
 */
final class LineChart {

    /** More buckets than this cannot be told apart on a screen. */
    private static final int BUCKETS = 400;

    private static final int WIDTH = 1000;
    private static final int HEIGHT = 1000;
    private static final int X_TICKS = 6;
    private static final int Y_TICKS = 5;

    /** How a curve is drawn; the names are those of the style sheet's classes. */
    enum Style {
        LINE,
        FAINT,
        DOTS,
        AREA;

        String cssClass() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    private record Curve(String name, String color, Style style, Series series) {}

    private final String id;
    private final String title;
    private final String description;
    private final AxisScale steps;
    private final List<Curve> curves = new ArrayList<>();
    private final List<String> notes = new ArrayList<>();

    /**
     * @param id unique on the page
     * @param description what the curves show, for those who do not see them
     * @param lastStep end of the x axis
     */
    LineChart(String id, String title, String description, double lastStep) {
        this.id = id;
        this.title = title;
        this.description = description;
        this.steps = AxisScale.steps(lastStep, X_TICKS);
    }

    /** @param color class of the style sheet that gives the colour */
    LineChart add(String name, String color, Style style, Series series) {
        if (series.size() == 0) {
            return this;
        }
        curves.add(new Curve(name, color, style, series.downsampled(BUCKETS)));
        return this;
    }

    /** Says beside the title how many points of {@code series} cannot be drawn, if any. */
    LineChart noteGaps(String name, Series series) {
        if (series.gaps() > 0) {
            notes.add(name + ": " + series.gaps() + (series.gaps() == 1 ? " value is" : " values are") + " not finite");
        }
        return this;
    }

    String toHtml() {
        double low = curves.stream()
                .mapToDouble(curve -> curve.series().min())
                .filter(Double::isFinite)
                .min()
                .orElse(Double.NaN);
        double high = curves.stream()
                .mapToDouble(curve -> curve.series().max())
                .filter(Double::isFinite)
                .max()
                .orElse(Double.NaN);
        AxisScale values = AxisScale.around(low, high, Y_TICKS);
        StringBuilder html = new StringBuilder();
        html.append("<figure class=\"chart\" id=\"").append(id).append("\">\n<figcaption><h3>");
        html.append(Html.escape(title)).append("</h3>").append(legend());
        notes.forEach(note ->
                html.append("<p class=\"note\">").append(Html.escape(note)).append("</p>"));
        html.append("</figcaption>\n");
        html.append("<div class=\"plot\">\n");
        appendLabels(html, values);
        html.append("<svg viewBox=\"0 0 %s %s\" preserveAspectRatio=\"none\" role=\"img\"".formatted(WIDTH, HEIGHT));
        html.append(" aria-labelledby=\"%1$s-title %1$s-description\">\n".formatted(id));
        html.append("<title id=\"%s-title\">%s</title>\n".formatted(id, Html.escape(title)));
        html.append("<desc id=\"%s-description\">%s</desc>\n".formatted(id, Html.escape(description)));
        appendGrid(html, values);
        for (Curve curve : curves) {
            appendCurve(html, curve, values);
        }
        html.append("</svg>\n<div class=\"rule\" hidden></div><div class=\"tip\" hidden></div>\n");
        html.append("<script type=\"application/json\">").append(hoverData()).append("</script>\n");
        return html.append("</div>\n</figure>\n").toString();
    }

    private String legend() {
        if (curves.stream().map(Curve::color).distinct().count() < 2) {
            return "";
        }
        StringBuilder html = new StringBuilder("<ul class=\"legend\">");
        for (Curve curve : curves) {
            html.append("<li class=\"%s %s\">%s</li>"
                    .formatted(curve.color(), curve.style().cssClass(), Html.escape(curve.name())));
        }
        return html.append("</ul>").toString();
    }

    private void appendLabels(StringBuilder html, AxisScale values) {
        html.append("<div aria-hidden=\"true\">");
        for (double tick : values.ticks()) {
            html.append(format(
                    "<span class=\"y\" style=\"top:%.2f%%\">%s</span>",
                    100 - 100 * values.fraction(tick), MetricFormat.tick(tick, values.max())));
        }
        for (int i = 0; i < steps.ticks().size(); i++) {
            double tick = steps.ticks().get(i);
            // Small charts on paper have no room for every second mark.
            html.append(format(
                    "<span class=\"x%s\" style=\"left:%.2f%%\">%s</span>",
                    i % 2 == 0 ? "" : " minor", 100 * steps.fraction(tick), stepLabel(tick)));
        }
        html.append("</div>\n");
    }

    private static void appendGrid(StringBuilder html, AxisScale values) {
        html.append("<path class=\"grid\" d=\"");
        for (double tick : values.ticks()) {
            html.append(format("M0 %.1fH%d", y(values, tick), WIDTH));
        }
        html.append("\"/>\n");
    }

    private void appendCurve(StringBuilder html, Curve curve, AxisScale values) {
        Series series = curve.series();
        StringBuilder line = new StringBuilder();
        StringBuilder dots = new StringBuilder();
        StringBuilder area = new StringBuilder();
        for (int i = 0; i < series.size(); i++) {
            if (!series.hasPoint(i)) {
                continue;
            }
            double x = WIDTH * steps.fraction(series.x()[i]);
            double y = y(values, series.y()[i]);
            boolean starts = i == 0 || !series.hasPoint(i - 1);
            boolean ends = i == series.size() - 1 || !series.hasPoint(i + 1);
            line.append(format("%s%.1f %.1f", starts ? "M" : "L", x, y));
            area.append(starts ? format("M%.1f %dL%.1f %.1f", x, HEIGHT, x, y) : format("L%.1f %.1f", x, y));
            if (ends) {
                area.append(format("L%.1f %dZ", x, HEIGHT));
            }
            // A line of no length with round ends: the only circle that a stretched drawing leaves round.
            if (curve.style() == Style.DOTS || (starts && ends)) {
                dots.append(format("M%.1f %.1fh0", x, y));
            }
        }
        if (curve.style() == Style.AREA && values.min() == 0) {
            html.append("<path class=\"%s fill\" d=\"%s\"/>\n".formatted(curve.color(), area));
        }
        html.append("<path class=\"%s %s\" d=\"%s\"/>\n"
                .formatted(curve.color(), curve.style() == Style.FAINT ? "faint" : "line", line));
        if (!dots.isEmpty()) {
            html.append("<path class=\"%s dots\" d=\"%s\"/>\n".formatted(curve.color(), dots));
        }
    }

    /** What the page's script shows under the pointer. */
    private String hoverData() {
        StringBuilder json =
                new StringBuilder("{\"last\":").append(Math.round(steps.max())).append(",\"curves\":[");
        String separator = "";
        for (Curve curve : curves) {
            json.append(separator)
                    .append("{\"name\":\"")
                    .append(Html.escape(curve.name()))
                    .append("\",\"points\":[");
            appendPoints(json, curve.series());
            json.append("]}");
            separator = ",";
        }
        return json.append("]}").toString();
    }

    private static void appendPoints(StringBuilder json, Series series) {
        String separator = "";
        for (int i = 0; i < series.size(); i++) {
            if (series.hasPoint(i)) {
                json.append(format("%s[%.0f,%.5g]", separator, series.x()[i], series.y()[i]));
                separator = ",";
            }
        }
    }

    private static String stepLabel(double step) {
        boolean thousands = step >= 10_000 && step % 1000 == 0;
        return thousands ? MetricFormat.count(step / 1000) + "k" : MetricFormat.count(step);
    }

    private static double y(AxisScale values, double value) {
        return HEIGHT * (1 - values.fraction(value));
    }

    private static String format(String format, Object... arguments) {
        return String.format(Locale.ROOT, format, arguments);
    }
}
