package org.finetune4j.train.report;

import java.util.List;
import java.util.function.Function;
import org.finetune4j.train.SampleComparison;

/** Answers before and after training, side by side. */
final class ReportSamples {

    private ReportSamples() {}

    static String render(List<SampleComparison> samples) {
        if (samples.isEmpty()) {
            return "";
        }
        StringBuilder html = new StringBuilder("<section>\n<h2>Before and after</h2>\n");
        html.append(score(samples));
        for (int i = 0; i < samples.size(); i++) {
            appendSample(html, i + 1, samples.get(i));
        }
        return html.append("</section>\n").toString();
    }

    private static String score(List<SampleComparison> samples) {
        List<SampleComparison> scored =
                samples.stream().filter(sample -> sample.expected() != null).toList();
        if (scored.isEmpty()) {
            return "";
        }
        return "<p class=\"score\">As expected before training: %s of %s. After training: %s of %s.</p>\n"
                .formatted(
                        matches(scored, SampleComparison::before),
                        scored.size(),
                        matches(scored, SampleComparison::after),
                        scored.size());
    }

    private static long matches(List<SampleComparison> samples, Function<SampleComparison, String> answer) {
        return samples.stream()
                .filter(sample -> isExpected(answer.apply(sample), sample))
                .count();
    }

    private static boolean isExpected(String answer, SampleComparison sample) {
        return sample.expected() != null
                && answer.strip().equals(sample.expected().strip());
    }

    private static void appendSample(StringBuilder html, int number, SampleComparison sample) {
        html.append("<article class=\"card sample\" aria-labelledby=\"sample-%s\">\n".formatted(number));
        html.append("<h3 id=\"sample-%1$s\">Prompt %1$s</h3>".formatted(number));
        html.append(text("text prompt", sample.prompt())).append("<div class=\"answers\">\n");
        html.append(answer("before", "Before", badge(sample.before(), sample), sample.before()));
        html.append(answer("after", "After", badge(sample.after(), sample), sample.after()));
        if (sample.expected() != null) {
            html.append(answer("expected", "Expected", "", sample.expected()));
        }
        html.append("</div>\n</article>\n");
    }

    private static String badge(String answer, SampleComparison sample) {
        if (sample.expected() == null) {
            return "";
        }
        return isExpected(answer, sample)
                ? "<span class=\"badge good\">✓ as expected</span>"
                : "<span class=\"badge bad\">✗ differs</span>";
    }

    private static String answer(String kind, String title, String badge, String answer) {
        return "<div class=\"%s\"><h4>%s%s</h4>%s</div>\n".formatted(kind, title, badge, text("text", answer));
    }

    private static String text(String classes, String text) {
        return text.isBlank()
                ? "<p class=\"empty\">(empty)</p>"
                : "<p class=\"%s\">%s</p>".formatted(classes, Html.escape(text));
    }
}
