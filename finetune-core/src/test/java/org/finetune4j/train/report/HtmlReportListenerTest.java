package org.finetune4j.train.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.finetune4j.train.TrainingListener;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HtmlReportListenerTest {

    @TempDir
    Path directory;

    private Path report;

    @BeforeEach
    void nameTheReport() {
        report = directory.resolve("report.html");
    }

    @Test
    void aKilledRunHasAReportUpToItsLastEvaluationOrCheckpoint() throws IOException {
        TrainingListener listener = new HtmlReportListener(report);
        listener.onStart(Runs.plan(100, 0));
        assertFalse(Files.exists(report));
        Runs.steps(listener, 0, 35, 100);

        String html = Files.readString(report);
        assertTrue(html.contains("30 of 100 steps"));
        assertTrue(html.contains("Not finished"));
    }

    @Test
    void aResumedRunContinuesTheHistoryOfTheKilledOne() throws IOException {
        TrainingListener killed = new HtmlReportListener(report);
        killed.onStart(Runs.plan(100, 0));
        killed.onEvaluation(Runs.evaluation(0, 100));
        Runs.steps(killed, 0, 35, 100);
        TrainingListener resumed = new HtmlReportListener(report);
        resumed.onStart(Runs.plan(100, 30));
        Runs.steps(resumed, 30, 100, 100);
        resumed.onSamples(Runs.samples());
        resumed.onEnd(Runs.summary(100, false));

        String html = Files.readString(report);
        assertTrue(html.contains("100 of 100 steps"));
        assertTrue(html.contains("Held-out loss fell from 4.0200 to 0.6578"));
        assertTrue(html.contains("Completed"));
        TrainingHistory history = MetricsLog.read(directory.resolve("metrics.jsonl"));
        assertEquals(100, history.steps().size());
        assertEquals(11, history.evaluations().size());
    }

    @Test
    void warningsAreInTheReportOnceWheneverTheyCome() throws IOException {
        for (int start : List.of(0, 30)) {
            TrainingListener listener = new HtmlReportListener(report);
            listener.onWarning("learning_rate is <large>");
            listener.onStart(Runs.plan(100, start));
            listener.onWarning("best is gone");
            Runs.steps(listener, start, start + 30, 100);
        }
        String html = Files.readString(report);
        assertEquals(2, html.split("learning_rate is &lt;large&gt;", -1).length);
        assertEquals(2, html.split("best is gone", -1).length);
        assertEquals(
                List.of("learning_rate is <large>", "best is gone"),
                MetricsLog.read(directory.resolve("metrics.jsonl")).warnings());
    }

    @Test
    void nothingButReportAndLogIsLeft() throws IOException {
        Runs.complete(new HtmlReportListener(report), 20);

        try (Stream<Path> files = Files.list(directory)) {
            assertEquals(
                    List.of("metrics.jsonl", "report.html"),
                    files.map(file -> file.getFileName().toString()).sorted().toList());
        }
    }

    @Test
    void aFailedRunSaysWhy() throws IOException {
        TrainingListener listener = new HtmlReportListener(report);
        listener.onStart(Runs.plan(100, 0));
        Runs.steps(listener, 0, 12, 100);
        listener.onFailure(new IllegalStateException("loss is not finite"));

        assertTrue(Files.readString(report).contains("IllegalStateException: loss is not finite"));
    }

    @Test
    void aBrokenLogIsSetAsideAndTheRunHasItsReportAndANewLog() throws IOException {
        Path log = Files.writeString(directory.resolve("metrics.jsonl"), "nonsense\n");
        TrainingListener listener = new HtmlReportListener(report);

        listener.onStart(Runs.plan(100, 10));
        Runs.steps(listener, 10, 20, 100);

        String page = Files.readString(report);
        assertTrue(page.contains("20 of 100 steps"));
        assertTrue(page.contains("line 1: not an event"), page);
        assertEquals("nonsense\n", Files.readString(directory.resolve("metrics.jsonl.damaged")));
        assertTrue(Files.readString(log).contains("\"step\":20"), "the run is recorded");
    }
}
