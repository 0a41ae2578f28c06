package org.finetune4j.train.report;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.Map;
import org.finetune4j.AtomicFiles;
import org.finetune4j.train.TrainingPlan;

/**
 * A training run as one HTML page that needs nothing else: no network, no fonts, no library. Curves are SVG, light and
 * dark follow the reader's setting, and the page prints. Its content security policy allows its own script only.
 */
public final class HtmlReport {

    private HtmlReport() {}

    /**
     * Writes the page, or replaces it as a whole.
     *
     * @param file the HTML file
     * @param history what to show
     * @throws org.finetune4j.UserErrorException when the file cannot be written
     */
    public static void write(Path file, TrainingHistory history) {
        AtomicFiles.writeString(file, render(history));
    }

    /**
     * Writes a page about several runs, one after the other, or replaces it as a whole.
     *
     * @param file the HTML file
     * @param histories what to show, by the runs' names
     * @throws org.finetune4j.UserErrorException when the file cannot be written
     */
    public static void write(Path file, Map<String, TrainingHistory> histories) {
        StringBuilder body = new StringBuilder();
        histories.forEach((name, history) -> body.append("<section class=\"run\">\n")
                .append(render(history, name))
                .append("</section>\n"));
        AtomicFiles.writeString(file, page(String.join(", ", histories.keySet()), body.toString()));
    }

    /**
     * {@return the page as text; the same history gives the same text}
     *
     * @param history what to show
     */
    public static String render(TrainingHistory history) {
        TrainingPlan plan = history.plan();
        String name = plan == null ? "Training" : plan.runName();
        return page(name, render(history, name));
    }

    private static String render(TrainingHistory history, String name) {
        return ReportSummary.render(history, name)
                + ReportCurves.render(history)
                + ReportSamples.render(history.samples())
                + ReportTables.configuration(history.plan());
    }

    private static String page(String name, String body) {
        String script = resource("report.js");
        StringBuilder html = new StringBuilder(1 << 16);
        html.append("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        html.append("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ");
        html.append("style-src 'unsafe-inline'; script-src 'sha256-")
                .append(sha256(script))
                .append("'\">\n");
        html.append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        html.append("<title>").append(Html.escape(name)).append(" · fine-tuning report</title>\n");
        html.append("<style>\n").append(resource("report.css")).append("</style>\n</head>\n<body>\n<main>\n");
        html.append(body);
        html.append("<footer>Written by Finetune4j</footer>\n</main>\n");
        return html.append("<script>")
                .append(script)
                .append("</script>\n</body>\n</html>\n")
                .toString();
    }

    private static String resource(String name) {
        try (InputStream in = HtmlReport.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new IllegalStateException("missing from the jar: " + name);
            }
            // A checkout may have given the file other line ends; browsers hash what they parsed, with \n.
            return new String(in.readAllBytes(), StandardCharsets.UTF_8).replace("\r\n", "\n");
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + name, e);
        }
    }

    private static String sha256(String text) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
            return Base64.getEncoder().encodeToString(digest);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
