package org.finetune4j.train.report;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.TrainingPlan;
import org.finetune4j.train.health.ExpertLoad;
import org.finetune4j.train.objective.ScoreTable;
import org.jspecify.annotations.Nullable;

/** The tables of the report: evaluations and configuration. */
final class ReportTables {

    private ReportTables() {}

    static String evaluations(List<EvaluationMetrics> evaluations) {
        if (evaluations.isEmpty()) {
            return "";
        }
        boolean scored = evaluations.stream().map(EvaluationMetrics::exactMatch).anyMatch(Objects::nonNull);
        StringBuilder html = new StringBuilder("<details class=\"card\">\n<summary>Evaluations (");
        html.append(MetricFormat.count(evaluations.size())).append(")</summary>\n");
        html.append("<table>\n<caption>Evaluations on the held-out split</caption>\n<thead><tr>");
        boolean language = evaluations.stream().allMatch(EvaluationMetrics::isOfLanguage);
        for (String heading : language
                ? List.of("Step", "Loss", "Perplexity", "Labelled tokens")
                : List.of("Step", "Loss", "Samples")) {
            html.append("<th scope=\"col\" class=\"number\">").append(heading).append("</th>");
        }
        html.append(scored ? "<th scope=\"col\" class=\"number\">Exact match</th>" : "");
        Set<String> scores = new LinkedHashSet<>();
        evaluations.forEach(evaluation -> scores.addAll(evaluation.scores().keySet()));
        scores.forEach(name -> html.append("<th scope=\"col\" class=\"number\">")
                .append(Html.escape(inWords(name)))
                .append("</th>"));
        html.append("</tr></thead>\n<tbody>\n");
        for (EvaluationMetrics evaluation : evaluations) {
            html.append("<tr><th scope=\"row\" class=\"number\">")
                    .append(MetricFormat.count((double) evaluation.step()));
            html.append("</th>").append(number(MetricFormat.decimal(evaluation.loss())));
            html.append(language ? number(MetricFormat.decimal(evaluation.perplexity())) : "");
            html.append(number(MetricFormat.count((double) evaluation.labelledTokens())));
            if (scored) {
                Double match = evaluation.exactMatch();
                html.append(number(match == null ? "" : MetricFormat.percent(match)));
            }
            for (String name : scores) {
                Double score = evaluation.scores().get(name);
                html.append(number(score == null ? "" : MetricFormat.decimal(score)));
            }
            html.append("</tr>\n");
        }
        html.append("</tbody>\n</table>\n</details>\n");
        // Of the last evaluation only: these say how the trained model is.
        evaluations.get(evaluations.size() - 1).tables().forEach(table -> html.append(table(table, "last evaluation")));
        return html.toString();
    }

    /** Where routers sent tokens since the evaluation before the last. */
    static String expertLoad(@Nullable ExpertLoad load) {
        return load == null || load.layers().isEmpty() ? "" : table(table(load), "step " + load.step());
    }

    /** A row a layer: its number, and the share of tokens of every expert in percent. */
    private static ScoreTable table(ExpertLoad load) {
        List<String> columns = new ArrayList<>(List.of("layer"));
        int most = load.layers().stream()
                .mapToInt(layer -> layer.shares().size())
                .max()
                .orElse(0);
        for (int expert = 0; expert < most; expert++) {
            columns.add("expert " + expert);
        }
        List<List<Double>> rows = new ArrayList<>();
        for (ExpertLoad.Layer layer : load.layers()) {
            List<Double> row = new ArrayList<>(List.of((double) layer.number()));
            for (int expert = 0; expert < most; expert++) {
                row.add(expert < layer.shares().size() ? 100 * layer.shares().get(expert) : Double.NaN);
            }
            rows.add(row);
        }
        return new ScoreTable("Expert load, percent of tokens", columns, rows);
    }

    private static String table(ScoreTable table, String when) {
        StringBuilder html = new StringBuilder("<details class=\"card\">\n<summary>");
        html.append(Html.escape(table.title())).append("</summary>\n<table>\n<caption>");
        html.append(Html.escape(table.title())).append(", ").append(when).append("</caption>\n<thead><tr>");
        table.columns().forEach(column -> html.append("<th scope=\"col\" class=\"number\">")
                .append(Html.escape(column))
                .append("</th>"));
        html.append("</tr></thead>\n<tbody>\n");
        for (List<Double> row : table.rows()) {
            html.append("<tr>");
            row.forEach(value -> html.append(
                    number(value == Math.rint(value) ? MetricFormat.count(value) : MetricFormat.decimal(value))));
            html.append("</tr>\n");
        }
        return html.append("</tbody>\n</table>\n</details>\n").toString();
    }

    /** {@code macro_f1} as {@code Macro f1}. */
    private static String inWords(String name) {
        String words = name.replace('_', ' ').replace('/', ' ');
        return words.isEmpty() ? words : Character.toUpperCase(words.charAt(0)) + words.substring(1);
    }

    static String configuration(@Nullable TrainingPlan plan) {
        if (plan == null || plan.configuration().isEmpty()) {
            return "";
        }
        Map<String, String> lines = ConfigurationText.flatten(plan.configuration());
        StringBuilder html = new StringBuilder("<section>\n<h2>Configuration</h2>\n<div class=\"card\">\n");
        html.append("<table class=\"configuration\">\n<caption>Configuration of the run</caption>\n<thead><tr>");
        html.append("<th scope=\"col\">Key</th><th scope=\"col\">Value</th></tr></thead>\n<tbody>\n");
        lines.forEach((key, value) -> html.append("<tr><th scope=\"row\">")
                .append(Html.escape(key))
                .append("</th><td>")
                .append(Html.escape(value))
                .append("</td></tr>\n"));
        return html.append("</tbody>\n</table>\n</div>\n</section>\n").toString();
    }

    private static String number(String text) {
        return "<td class=\"number\">" + text + "</td>";
    }
}
