package org.finetune4j.train.report;

import java.nio.file.Path;
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
                + ReportTables.expertLoad(history.expertLoad())
                + ReportSamples.render(history.samples())
                + ReportTables.configuration(history.plan());
    }

    private static String page(String name, String body) {
        return HtmlPage.render(name + " · fine-tuning report", body);
    }
}
