package org.finetune4j.peft.auto;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.ToDoubleFunction;
import org.finetune4j.train.report.HtmlPage;

/** The search as a page: who won, the Pareto picture, and why everybody else left. */
final class SearchReport {

    static final String NAME = "auto.html";

    private SearchReport() {}

    static void write(Path directory, SearchJournal journal) {
        HtmlPage.write(directory.resolve(NAME), "Search for a method · fine-tuning report", body(journal));
    }

    private static String body(SearchJournal journal) {
        List<Standing> scored = journal.standings().stream()
                .filter(one -> one.loss().isPresent())
                .toList();
        StringBuilder html = new StringBuilder("<header>\n<p class=\"kind\">Search for a method</p>\n");
        Optional<Standing> winner = journal.winner();
        html.append("<div class=\"title\"><h1>")
                .append(text(winner.map(one -> one.candidate().name()).orElse("Not finished")))
                .append("</h1>")
                .append(
                        winner.isPresent()
                                ? "<span class=\"status good\">Won</span>"
                                : "<span class=\"status warn\">Not finished</span>")
                .append("</div>\n<p class=\"lead\">");
        html.append(text(winner.map(one -> words(one.candidate()) + ".").orElse("")))
                .append("</p>\n</header>\n");
        winner.ifPresent(one -> html.append(figures(one)));
        html.append(
                "<h2>What the candidates cost and give</h2>\n<p class=\"score\">The last held-out loss of each; it left after"
                        + " different numbers of steps. Marked are those that no other one beats in loss, memory and trainable"
                        + " parameters at once.</p>\n");
        List<Standing> front = ParetoFront.of(scored);
        html.append(chart(
                "parameters",
                "Held-out loss by trainable parameters (powers of ten)",
                scored,
                front,
                one -> Math.log10((double) Math.max(1, one.trainable()))));
        html.append(chart(
                "memory",
                "Held-out loss by memory at the peak, as planned (MB)",
                scored,
                front,
                one -> one.peakBytes() / (double) (1 << 20)));
        return html.append(rungs(journal)).append(table(journal, front)).toString();
    }

    private static String figures(Standing winner) {
        return "<dl class=\"figures\">\n"
                + figure("Held-out loss", decimal(winner.loss().orElseThrow()), "at step " + winner.steps())
                + figure("Trainable parameters", count(winner.trainable()), "")
                + figure("Memory at the peak", count(winner.peakBytes() >> 20) + " MB", "as planned")
                + "</dl>\n";
    }

    private static String figure(String name, String value, String note) {
        return "<div><dt>" + name + "</dt><dd class=\"value\">" + text(value) + "</dd><dd class=\"note\">" + text(note)
                + "</dd></div>\n";
    }

    /** A scatter plot; points are lines of no length with round ends, which a stretched drawing leaves round. */
    private static String chart(
            String id, String title, List<Standing> scored, List<Standing> front, ToDoubleFunction<Standing> cost) {
        if (scored.isEmpty()) {
            return "";
        }
        Range x = Range.of(scored.stream().mapToDouble(cost).toArray());
        Range y = Range.of(
                scored.stream().mapToDouble(one -> one.loss().orElseThrow()).toArray());
        StringBuilder html = new StringBuilder(
                "<figure class=\"chart\" id=\"" + id + "\">\n<figcaption><h3>" + title + "</h3><ul class=\"legend\">"
                        + "<li class=\"speed dots\">candidate</li><li class=\"held-out dots\">not beaten</li></ul></figcaption>\n"
                        + "<div class=\"plot\">\n<div aria-hidden=\"true\">");
        for (int i = 0; i <= 4; i++) {
            html.append(format("<span class=\"y\" style=\"top:%d%%\">%s</span>", 100 - 25 * i, decimal(y.at(i / 4.0))));
            html.append(format("<span class=\"x\" style=\"left:%d%%\">%.4g</span>", 25 * i, x.at(i / 4.0)));
        }
        html.append("</div>\n<svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"")
                .append(text(title))
                .append("\">\n<path class=\"grid\" d=\"M0 0H1000M0 250H1000M0 500H1000M0 750H1000M0 1000H1000\"/>\n");
        for (Standing one : scored) {
            html.append(format(
                    "<path class=\"%s dots\" d=\"M%.1f %.1fh0\"><title>%s</title></path>\n",
                    front.contains(one) ? "held-out" : "speed",
                    1000 * x.fraction(cost.applyAsDouble(one)),
                    1000 - 1000 * y.fraction(one.loss().orElseThrow()),
                    text(one.candidate().name() + ": " + decimal(one.loss().orElseThrow()))));
        }
        return html.append("</svg>\n</div>\n</figure>\n").toString();
    }

    private record Range(double from, double to) {

        static Range of(double[] values) {
            double low = Double.POSITIVE_INFINITY;
            double high = Double.NEGATIVE_INFINITY;
            for (double value : values) {
                low = Math.min(low, value);
                high = Math.max(high, value);
            }
            double margin = high > low ? 0.05 * (high - low) : Math.max(1e-3, 0.05 * Math.abs(high));
            return new Range(low - margin, high + margin);
        }

        double fraction(double value) {
            return (value - from) / (to - from);
        }

        double at(double fraction) {
            return from + fraction * (to - from);
        }
    }

    private static String rungs(SearchJournal journal) {
        StringBuilder html =
                new StringBuilder("<h2>Rungs</h2>\n<div class=\"card\">\n<table>\n<caption>Rungs</caption>\n"
                        + "<thead><tr><th scope=\"col\">Rung</th><th scope=\"col\" class=\"number\">Candidates</th>"
                        + "<th scope=\"col\" class=\"number\">Up to step</th></tr></thead>\n<tbody>\n");
        int number = 1;
        for (Rung rung : journal.rungs()) {
            html.append("<tr><th scope=\"row\">" + number++ + "</th><td class=\"number\">" + rung.candidates()
                    + "</td><td class=\"number\">" + count(rung.steps()) + "</td></tr>\n");
        }
        return html.append("</tbody>\n</table>\n</div>\n").toString();
    }

    private static String table(SearchJournal journal, List<Standing> front) {
        List<Standing> ordered = new ArrayList<>(journal.standings());
        ordered.sort(Comparator.comparingLong(Standing::steps).reversed().thenComparingDouble(one -> one.loss()
                .orElse(Double.MAX_VALUE)));
        StringBuilder html = new StringBuilder(
                "<h2>Candidates</h2>\n<div class=\"card\">\n<table>\n<caption>Candidates</caption>\n<thead><tr>");
        for (String heading : List.of("Name", "Settings")) {
            html.append("<th scope=\"col\">").append(heading).append("</th>");
        }
        for (String heading : List.of("Trainable", "Memory, MB", "Steps", "Held-out loss")) {
            html.append("<th scope=\"col\" class=\"number\">").append(heading).append("</th>");
        }
        html.append("<th scope=\"col\">Why it left</th></tr></thead>\n<tbody>\n");
        for (Standing one : ordered) {
            String left = one.left() == null ? (journal.isComplete() ? "it won" : "it is still in") : one.left();
            html.append("<tr><th scope=\"row\">")
                    .append(text(one.candidate().name()))
                    .append(front.contains(one) ? "<span class=\"badge good\">not beaten</span>" : "")
                    .append("</th><td>")
                    .append(text(words(one.candidate())))
                    .append("</td>")
                    .append(number(count(one.trainable())))
                    .append(number(count(one.peakBytes() >> 20)))
                    .append(number(count(one.steps())))
                    .append(number(one.loss().isPresent() ? decimal(one.loss().orElseThrow()) : ""))
                    .append("<td>")
                    .append(text(left))
                    .append("</td></tr>\n");
        }
        return html.append("</tbody>\n</table>\n</div>\n").toString();
    }

    private static String words(Candidate candidate) {
        return new Candidate(candidate.name(), SearchSpace.inWords(candidate.settings())).describe();
    }

    private static String number(String text) {
        return "<td class=\"number\">" + text + "</td>";
    }

    private static String text(String text) {
        return HtmlPage.escape(text);
    }

    private static String count(long number) {
        return format("%,d", number);
    }

    private static String decimal(double number) {
        return format("%.4f", number);
    }

    private static String format(String format, Object... arguments) {
        return String.format(Locale.ROOT, format, arguments);
    }
}
