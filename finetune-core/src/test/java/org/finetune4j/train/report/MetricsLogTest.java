package org.finetune4j.train.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.finetune4j.TestJson;
import org.finetune4j.UserErrorException;
import org.finetune4j.train.EndReason;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.MemoryComparison;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingPlan;
import org.finetune4j.train.TrainingSummary;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MetricsLogTest {

    @TempDir
    Path directory;

    private Path file;

    @BeforeEach
    void nameTheFile() {
        file = directory.resolve("run/metrics.jsonl");
    }

    @Test
    void whatIsLoggedIsReadBackAsItWas() {
        Runs.complete(new MetricsLog(file), 20);

        TrainingHistory history = MetricsLog.read(file);
        TrainingPlan plan = history.plan();
        assertNotNull(plan);
        assertEquals(Runs.plan(20, 0).runName(), plan.runName());
        assertEquals(1_216_512, plan.trainableParameters());
        assertEquals(20, history.steps().size());
        assertEquals(Runs.step(7, 20), history.steps().get(6));
        assertEquals(Runs.evaluation(20, 20), history.evaluations().get(10));
        assertEquals(Runs.samples(), history.samples());
        assertEquals(Runs.summary(20, false), history.summary());
        assertEquals(new TrainingHistory.Checkpoint(Path.of("out", "checkpoint-20"), 20), history.lastCheckpoint());
        assertNull(history.failure());
    }

    @Test
    void whatTheMemoryWasPlannedToBeAndIsStandsInTheLog() {
        MetricsLog log = new MetricsLog(file);
        log.onStart(Runs.plan(10, 0));
        log.onStep(Runs.step(1, 2));
        log.onMemory(new MemoryComparison(1, 900, 880));
        List<MemoryComparison> read = new ArrayList<>();
        MetricsLog.replay(file, new TrainingListener() {
            @Override
            public void onMemory(MemoryComparison comparison) {
                read.add(comparison);
            }
        });
        assertEquals(List.of(new MemoryComparison(1, 900, 880)), read);
    }

    @Test
    void theConfigurationKeepsItsOrderAndWhatJsonDoesNotKnowBecomesText() {
        Runs.complete(new MetricsLog(file), 20);

        TrainingPlan plan = MetricsLog.read(file).plan();
        assertNotNull(plan);
        assertEquals(
                List.of("model", "method", "learning_rate", "warmup_steps", "lora", "max_grad_norm", "seed"),
                List.copyOf(plan.configuration().keySet()));
        assertEquals(
                Path.of("models", "stories15M").toString(), plan.configuration().get("model"));
        assertEquals(2e-4, plan.configuration().get("learning_rate"));
        assertEquals(
                Map.of("target_modules", List.of("q_proj", "v_proj")),
                plan.configuration().get("lora"));
        assertNull(plan.configuration().get("seed"));
    }

    @Test
    void numbersThatAreNotFiniteSurvive() {
        MetricsLog log = new MetricsLog(file);
        log.onStart(Runs.plan(10, 0));
        log.onStep(Runs.step(1, Double.NaN));
        log.onStep(Runs.step(2, Double.POSITIVE_INFINITY));
        log.onStep(Runs.step(3, Double.NEGATIVE_INFINITY));
        log.onEvaluation(new EvaluationMetrics(3, Double.NaN, 1, null));

        TrainingHistory history = MetricsLog.read(file);
        assertEquals(
                List.of(Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY),
                history.steps().stream().map(StepMetrics::loss).toList());
        assertTrue(Double.isNaN(history.evaluations().get(0).loss()));
        assertNull(history.evaluations().get(0).exactMatch());
    }

    @Test
    void everyLineIsOneJsonObjectThatSaysItsEventAndStep() throws IOException {
        Runs.complete(new MetricsLog(file), 20);

        for (String line : Files.readAllLines(file)) {
            JsonNode event = TestJson.parse(line);
            assertTrue(event.path("event").isTextual(), line);
            assertTrue(event.path("step").isIntegralNumber(), line);
        }
    }

    @Test
    void aResumedRunReplacesWhatCameAfterItsStartAndKeepsTheRest() {
        MetricsLog killed = new MetricsLog(file);
        killed.onStart(Runs.plan(20, 0));
        Runs.steps(killed, 0, 15, 20);
        MetricsLog resumed = new MetricsLog(file);
        resumed.onStart(Runs.plan(20, 10));
        Runs.steps(resumed, 10, 12, 20);

        TrainingHistory history = MetricsLog.read(file);
        assertEquals(12, history.lastStep());
        assertEquals(
                List.of(1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L, 9L, 10L, 11L, 12L),
                history.steps().stream().map(StepMetrics::step).toList());
        assertEquals(
                List.of(2L, 4L, 6L, 8L, 10L, 12L),
                history.evaluations().stream().map(EvaluationMetrics::step).toList());
    }

    @Test
    void aRunThatStartsAtZeroForgetsTheOldOne() {
        Runs.complete(new MetricsLog(file), 20);
        MetricsLog again = new MetricsLog(file);
        again.onStart(Runs.plan(20, 0));

        TrainingHistory history = MetricsLog.read(file);
        assertTrue(history.steps().isEmpty());
        assertTrue(history.evaluations().isEmpty());
        assertNull(history.summary());
    }

    @Test
    void timeAddsUpOverStarts() {
        MetricsLog first = new MetricsLog(file);
        first.onStart(Runs.plan(20, 0));
        Runs.steps(first, 0, 10, 20); // 2.5 s
        first.onEnd(Runs.summary(10, true)); // 6.5 s
        MetricsLog second = new MetricsLog(file);
        second.onStart(Runs.plan(20, 10));
        second.onStep(Runs.step(11, 20)); // 2.75 s

        TrainingHistory history = MetricsLog.read(file);
        assertEquals(Duration.ofMillis(6500 + 2750), history.elapsed());
        assertNull(history.summary(), "the run goes on");
    }

    @Test
    void aLineThatAKillLeftUnfinishedIsSkippedAndRemovedByTheNextStart() throws IOException {
        MetricsLog log = new MetricsLog(file);
        log.onStart(Runs.plan(20, 0));
        Runs.steps(log, 0, 3, 20);
        Files.writeString(file, "{\"event\":\"step\",\"step\":4,\"lo", StandardOpenOption.APPEND);

        assertEquals(3, MetricsLog.read(file).lastStep());
        MetricsLog resumed = new MetricsLog(file);
        resumed.onStart(Runs.plan(20, 3));
        resumed.onStep(Runs.step(4, 20));
        assertEquals(4, MetricsLog.read(file).lastStep());
        assertFalse(Files.readString(file).contains("\"lo\n"));
    }

    @Test
    void aBrokenLineIsAUserErrorWithItsNumberAndTheFileStaysAsItWas() throws IOException {
        Files.createDirectories(file.getParent());
        String text = "{\"event\":\"step\",\"step\":1}\nnonsense\n{\"event\":\"step\",\"step\":3}\n";
        Files.writeString(file, text);

        UserErrorException read = assertThrows(UserErrorException.class, () -> MetricsLog.read(file));
        assertThrows(UserErrorException.class, () -> MetricsLog.truncate(file, 2));

        assertTrue(read.getMessage().contains("metrics.jsonl, line 2:"), read.getMessage());
        assertEquals(1, read.getMessage().lines().count());
        assertEquals(text, Files.readString(file));
    }

    @Test
    void eventsOfALaterVersionAreKeptButNotRead() throws IOException {
        Files.createDirectories(file.getParent());
        Files.writeString(file, "{\"event\":\"aurora\",\"step\":1,\"brightness\":3}\n");
        MetricsLog.truncate(file, 5);

        assertTrue(MetricsLog.read(file).steps().isEmpty());
        assertTrue(Files.readString(file).contains("aurora"));
    }

    @Test
    void aMissingFileIsAnEmptyHistory() {
        MetricsLog.truncate(file, 3);

        assertNull(MetricsLog.read(file).plan());
        assertFalse(Files.exists(file));
    }

    @Test
    void aFailureIsRememberedAsText() {
        MetricsLog log = new MetricsLog(file);
        log.onStart(Runs.plan(20, 0));
        log.onFailure(new IllegalStateException("out of memory"));

        assertEquals(
                "java.lang.IllegalStateException: out of memory",
                MetricsLog.read(file).failure());
    }

    /** Whatever a run measures, the log is JSON as the standard has it. */
    @ParameterizedTest
    @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, 1e300})
    void everyLineIsJsonForEveryParser(double value) throws IOException {
        MetricsLog log = new MetricsLog(file);
        log.onStart(new TrainingPlan("run", 1, value, 0, 1, 1, Map.of("rate", value, "list", List.of((float) value))));
        log.onStep(new StepMetrics(1, 1, value, value, value, value, 8, 4, value, Duration.ZERO));
        log.onEvaluation(new EvaluationMetrics(1, value, 5, value, Map.of("bleu", value)));
        log.onEnd(new TrainingSummary(1, value, value, Duration.ZERO, value, EndReason.EARLY_STOPPING, "why"));
        for (String line : Files.readAllLines(file)) {
            String bare = line.replaceAll("\"(\\\\.|[^\"])*\"", "");
            assertFalse(bare.contains("NaN") || bare.contains("Infinity"), line);
        }
        TrainingHistory history = MetricsLog.read(file);
        assertEquals(value, history.steps().get(0).loss());
        assertEquals(value, history.evaluations().get(0).scores().get("bleu"));
        assertEquals(EndReason.EARLY_STOPPING, history.summary().reason());
        assertEquals("why", history.summary().explanation());
    }

    @Test
    void aRunThatNeverTookAStepHasNoLoss() throws IOException {
        MetricsLog log = new MetricsLog(file);
        log.onStart(Runs.plan(20, 0));
        log.onEnd(new TrainingSummary(0, null, null, Duration.ZERO, 0, EndReason.INTERRUPTED, "stopped"));
        assertFalse(Files.readString(file).contains("final_loss"));
        assertNull(MetricsLog.read(file).summary().finalLoss());
    }
}
