package org.finetune4j.train.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.junit.jupiter.api.Test;

class ProgressListenerTest {

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);

    @Test
    void withoutATerminalThereAreNoControlCharacters() {
        Runs.complete(ProgressListener.of(out, false), 200);

        String controls =
                printed().replaceAll("\\P{Cntrl}", "").replace("\n", "").replace("\r\n", "");
        assertEquals("", controls);
    }

    @Test
    void linesComeForTheFirstAndTheLastStepAndATwentiethOfTheRunApart() {
        ProgressListener listener = new ProgressLinesListener(out);
        listener.onStart(Runs.plan(205, 0));
        for (long step = 1; step <= 205; step++) {
            listener.onStep(metrics(step, 205, Duration.ofMillis(step)));
        }

        List<Long> steps = printedSteps();
        assertEquals(1, steps.get(0));
        assertEquals(List.of(10L, 20L, 30L), steps.subList(1, 4));
        assertEquals(205, steps.get(steps.size() - 1));
        assertEquals(22, steps.size());
    }

    @Test
    void aSlowRunPrintsALineWheneverTheIntervalHasPassed() {
        ProgressListener listener = new ProgressLinesListener(out, 1_000_000, Duration.ofSeconds(30));
        listener.onStart(Runs.plan(100, 0));
        for (long step = 1; step <= 10; step++) {
            listener.onStep(metrics(step, 100, Duration.ofSeconds(12 * step)));
        }

        assertEquals(List.of(1L, 4L, 7L, 10L), printedSteps());
    }

    @Test
    void aLineTellsLossRateSpeedAndTimeLeft() {
        ProgressListener listener = new ProgressLinesListener(out);
        listener.onStart(Runs.plan(100, 0));
        listener.onStep(metrics(25, 100, Duration.ofSeconds(50)));

        String line = printed().lines().skip(1).findFirst().orElseThrow();
        assertEquals(
                "step 25/100  epoch 0.75  loss 1.2500  lr 2.00e-04  grad norm 0.5000  1,234 tokens/s"
                        + "  0:50 elapsed  2:30 left",
                line);
    }

    @Test
    void afterAResumeTimeLeftComesFromTheStepsOfThisStartOnly() {
        ProgressListener listener = new ProgressLinesListener(out);
        listener.onStart(Runs.plan(100, 80));
        listener.onStep(metrics(90, 100, Duration.ofSeconds(20)));

        assertTrue(printed().contains("resumed after step 80"), printed());
        assertTrue(printed().contains("0:20 left"), printed());
    }

    @Test
    void evaluationsCheckpointsAndTheEndHaveTheirLines() {
        Runs.complete(ProgressListener.of(out, false), 10);

        assertTrue(printed().contains("evaluation after step 10: loss 0.6578, perplexity 1.9305, exact match 90.0 %"));
        assertTrue(printed().contains("checkpoint of step 10 saved to " + Path.of("out", "checkpoint-10")));
        assertTrue(printed().contains("done after 10 steps in 0:07: loss 0.4512, best evaluation loss 0.6577"));
    }

    @Test
    void onATerminalTheBarEndsFullWithTheLastLossAndNothingIsLeftBehindIt() {
        TrainingListener bar = new ProgressBarListener(out, 120);
        bar.onStart(Runs.plan(4, 0));
        for (long step = 1; step <= 4; step++) {
            bar.onStep(metrics(step, 4, Duration.ofSeconds(step)));
        }
        bar.onEvaluation(Runs.evaluation(4, 4));
        bar.onEnd(Runs.summary(4, false));

        List<String> lines = shownLines();
        assertTrue(lines.contains(ProgressText.evaluation(Runs.evaluation(4, 4))), lines.toString());
        String last = lines.get(lines.size() - 2);
        assertTrue(last.startsWith("100% "), last);
        assertTrue(last.endsWith(" 4/4  0:00 left  loss 1.2500  lr 2.00e-04  1,234 tok/s"), last);
        assertTrue(lines.get(lines.size() - 1).startsWith("done after 4 steps"), lines.toString());
        assertFalse(printed().contains("\u001b"), "the bar needs no escape sequences");
    }

    @Test
    void theBarNeverTakesMoreThanTheTerminalsWidth() {
        TrainingListener bar = new ProgressBarListener(out, 40);
        bar.onStart(Runs.plan(4, 0));
        bar.onStep(metrics(4, 4, Duration.ofSeconds(1)));
        bar.onFailure(new IllegalStateException());

        String afterTheFirstLine = printed().substring(printed().indexOf('\n') + 1);
        List<String> drawn = List.of(afterTheFirstLine.split("[\r\n]"));
        assertTrue(drawn.stream().allMatch(line -> line.length() <= 40), drawn.toString());
    }

    private static StepMetrics metrics(long step, long totalSteps, Duration elapsed) {
        return new StepMetrics(step, totalSteps, 3.0 * step / totalSteps, 1.25, 2e-4, 0.5, 1024, 600, 1234, elapsed);
    }

    private String printed() {
        return bytes.toString(StandardCharsets.UTF_8);
    }

    private List<Long> printedSteps() {
        return printed()
                .lines()
                .filter(line -> line.startsWith("step "))
                .map(line -> Long.valueOf(line.substring(5, line.indexOf('/'))))
                .toList();
    }

    /** What a terminal shows in the end: after each carriage return, text goes on top of what the line holds. */
    private List<String> shownLines() {
        return Arrays.stream(printed().split("\r?\n"))
                .map(line -> {
                    StringBuilder shown = new StringBuilder();
                    for (String part : line.split("\r")) {
                        shown.replace(0, Math.min(part.length(), shown.length()), part);
                    }
                    return shown.toString().stripTrailing();
                })
                .toList();
    }
}
