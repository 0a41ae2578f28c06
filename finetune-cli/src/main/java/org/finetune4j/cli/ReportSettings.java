package org.finetune4j.cli;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.arguments.StepInterval;
import org.finetune4j.train.report.HtmlReportListener;
import org.finetune4j.train.report.LoggedSteps;
import org.finetune4j.train.report.ProgressLinesListener;
import org.finetune4j.train.report.ProgressListener;
import org.finetune4j.train.report.TensorBoardListener;
import org.jspecify.annotations.Nullable;

/**
 * What a run tells of itself, and where.
 *
 * @param reportTo {@code html}, {@code tensorboard}, or none of them
 * @param intervals which steps reports are told of
 * @param lines whether progress is lines even on a terminal
 * @param runName what reports call the run, or null
 */
record ReportSettings(
        List<String> reportTo,
        StepIntervals intervals,
        boolean lines,
        @Nullable String runName) {

    private static final List<String> REPORTS = List.of("html", "tensorboard");

    /** Copies the list. */
    ReportSettings {
        reportTo = List.copyOf(reportTo);
    }

    /**
     * Reads the keys.
     *
     * @throws UserErrorException for a report that there is not
     */
    static ReportSettings of(Settings settings) {
        return new ReportSettings(
                reportTo(settings),
                StepIntervals.of(settings),
                settings.flag("disable_tqdm", false),
                settings.text("run_name").orElse(null));
    }

    private static List<String> reportTo(Settings settings) {
        List<String> names = settings.has("report_to") ? settings.texts("report_to") : List.of("all");
        List<String> reports = new ArrayList<>();
        for (String name : names) {
            if (name.equals("all")) {
                reports.addAll(REPORTS);
            } else if (REPORTS.contains(name)) {
                reports.add(name);
            } else if (!name.equals("none")) {
                throw new UserErrorException(
                        settings.origin() + ": 'report_to' is " + name + ", and reports are files here"
                                + Suggestions.among(name, List.of("html", "tensorboard", "all", "none")));
            }
        }
        return reports;
    }

    /** The listeners that write all of it for a run into {@code output}. */
    List<TrainingListener> listeners(Path output) {
        List<TrainingListener> reports = new ArrayList<>();
        if (reportTo.contains("tensorboard")) {
            reports.add(new TensorBoardListener(output.resolve("runs")));
        }
        if (reportTo.contains("html")) {
            reports.add(new HtmlReportListener(output.resolve("report.html")));
        }
        ProgressListener progress = lines ? ProgressListener.of(System.err, false) : ProgressListener.console();
        boolean everyStep = intervals.logging().equals(StepInterval.every(1));
        if (everyStep) {
            reports.add(0, progress);
            return reports;
        }
        List<TrainingListener> all = new ArrayList<>();
        if (progress instanceof ProgressLinesListener) {
            // One line each time that the log is asked for, and none in between.
            reports.add(0, new ProgressLinesListener(System.err, 1, Duration.ofDays(10_000)));
        } else {
            all.add(progress);
        }
        all.add(new LoggedSteps(intervals.logging(), intervals.firstStep(), reports));
        return all;
    }
}
