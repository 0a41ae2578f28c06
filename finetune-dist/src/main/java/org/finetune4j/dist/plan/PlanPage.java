package org.finetune4j.dist.plan;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.finetune4j.train.report.HtmlPage;

/** The trade-off as a page: memory against time for every layout, and memory by the number of devices for every ZeRO stage. */
final class PlanPage {

    private static final int WIDTH = 1000;
    private static final int HEIGHT = 420;
    private static final int MARGIN = 70;
    private static final double GIGABYTE = 1e9;
    private static final List<String> COLORS = List.of("var(--soft)", "var(--train)", "var(--rate)", "var(--held-out)");

    private final TrainingPlanReport report;
    private final StringBuilder html = new StringBuilder();

    private PlanPage(TrainingPlanReport report) {
        this.report = report;
    }

    /** Writes the page, or replaces it as a whole. */
    static void write(Path file, TrainingPlanReport report) {
        HtmlPage.write(file, report.title(), new PlanPage(report).render());
    }

    private String render() {
        html.append("<header><p class=\"kind\">Plan</p><h1>")
                .append(HtmlPage.escape(report.title()))
                .append("</h1></header>\n<p>")
                .append(HtmlPage.escape(report.summary()))
                .append("</p>\n<h2>Memory and time of every layout</h2>\n");
        tradeOff();
        html.append("<h2>Model, gradients and optimizer on one device, by ZeRO stage</h2>\n");
        stages();
        html.append("<h2>Layouts that fit, the best first</h2>\n<pre>")
                .append(HtmlPage.escape(String.join("\n", report.layoutLines())))
                .append("</pre>\n<h2>ZeRO stages</h2>\n<pre>")
                .append(HtmlPage.escape(String.join("\n", report.stageLines())))
                .append("</pre>\n<h2>Other numbers of devices</h2>\n<pre>")
                .append(HtmlPage.escape(String.join("\n", report.deviceLines())))
                .append("</pre>\n");
        return html.toString();
    }

    private void tradeOff() {
        List<Proposal> all = report.candidates();
        LogScale memory =
                LogScale.of(all.stream().mapToDouble(PlanPage::gigabytes).toArray());
        LogScale time = LogScale.of(
                all.stream().mapToDouble(proposal -> proposal.step().seconds()).toArray());
        open("memory a device in GB (across) and seconds of a step (up), both logarithmic");
        grid(memory, true, " GB");
        grid(time, false, " s");
        line(x(memory.at(report.cluster().memory() / GIGABYTE)), "var(--bad)");
        for (Proposal proposal : all) {
            dot(x(memory.at(gigabytes(proposal))), y(time.at(proposal.step().seconds())), proposal, 3);
        }
        report.best()
                .ifPresent(best ->
                        dot(x(memory.at(gigabytes(best))), y(time.at(best.step().seconds())), best, 9));
        close();
    }

    private void stages() {
        List<List<Planner.StageMemory>> byDevices = report.stagesByDevices();
        LogScale memory = LogScale.of(byDevices.stream()
                .flatMap(List::stream)
                .mapToDouble(stage -> stage.bytes() / GIGABYTE)
                .toArray());
        open("devices (across, doubling) and GB of one (up, logarithmic)");
        grid(memory, false, " GB");
        int points = byDevices.size();
        for (int i = 0; i < points; i++) {
            text(x(i / Math.max(1.0, points - 1)), HEIGHT - MARGIN / 2.0, String.valueOf(1L << i));
        }
        for (int stage = 0; stage <= Layout.LAST_STAGE; stage++) {
            StringBuilder path = new StringBuilder();
            for (int i = 0; i < points; i++) {
                double bytes = byDevices.get(i).get(stage).bytes() / GIGABYTE;
                path.append(format(
                        "%s%.1f %.1f", i == 0 ? "M" : "L", x(i / Math.max(1.0, points - 1)), y(memory.at(bytes))));
            }
            html.append(format(
                    "<path fill=\"none\" stroke-width=\"2\" stroke=\"%s\" d=\"%s\"/>\n", COLORS.get(stage), path));
        }
        close();
    }

    private void open(String description) {
        html.append(format(
                "<figure><svg viewBox=\"0 0 %d %d\" role=\"img\" width=\"100%%\"><title>%s</title>\n",
                WIDTH, HEIGHT, HtmlPage.escape(description)));
    }

    private void close() {
        html.append("</svg><figcaption>");
        for (int stage = 0; stage <= Layout.LAST_STAGE; stage++) {
            html.append(format("<span style=\"color:%s\">&#9679; ZeRO %d</span> ", COLORS.get(stage), stage));
        }
        html.append("</figcaption></figure>\n");
    }

    private void grid(LogScale scale, boolean across, String unit) {
        for (double tick : scale.ticks()) {
            double at = across ? x(scale.at(tick)) : y(scale.at(tick));
            html.append(
                    across
                            ? format("<path stroke=\"var(--line)\" d=\"M%.1f 10V%d\"/>", at, HEIGHT - MARGIN)
                            : format("<path stroke=\"var(--line)\" d=\"M%d %.1fH%d\"/>", MARGIN, at, WIDTH));
            text(across ? at : MARGIN / 2.0, across ? HEIGHT - MARGIN / 2.0 : at + 4, format("%.3g", tick) + unit);
        }
    }

    private void line(double at, String color) {
        html.append(
                format("<path stroke=\"%s\" stroke-dasharray=\"6 4\" d=\"M%.1f 10V%d\"/>", color, at, HEIGHT - MARGIN));
    }

    private void text(double x, double y, String text) {
        html.append(format(
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" font-size=\"12\" fill=\"var(--soft)\">%s</text>\n",
                x, y, text));
    }

    private void dot(double x, double y, Proposal proposal, int radius) {
        html.append(format(
                "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%d\" fill=\"%s\" fill-opacity=\"0.7\"><title>%s</title></circle>\n",
                x,
                y,
                radius,
                COLORS.get(proposal.layout().zeroStage()),
                HtmlPage.escape(proposal.layout().describe())));
    }

    private static double x(double share) {
        return MARGIN + share * (WIDTH - MARGIN - 20);
    }

    private static double y(double share) {
        return HEIGHT - MARGIN - share * (HEIGHT - MARGIN - 20);
    }

    private static double gigabytes(Proposal proposal) {
        return proposal.memory().peak() / GIGABYTE;
    }

    private static String format(String format, Object... arguments) {
        return String.format(Locale.ROOT, format, arguments);
    }
}
