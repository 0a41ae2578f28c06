package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.finetune4j.AtomicFiles;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.train.arguments.ModelSelection;
import org.finetune4j.train.report.HtmlReportListener;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a run knows of its best model counts for this run, its metric and its held-out samples only. */
class BestModelTest {

    @TempDir
    Path directory;

    private Path output;
    private TinyRun run;

    @BeforeEach
    void prepare() {
        output = directory.resolve("out");
        run = new TinyRun(output)
                .evaluated()
                .saveEvery(2)
                .with(arguments -> arguments.selection(ModelSelection.byLoss().withBestAtEnd()));
    }

    private static ModelSelection by(String metric, boolean greaterIsBetter) {
        return new ModelSelection(List.of(), metric, greaterIsBetter, true, 0, 0, 64, 0);
    }

    private String only(String part) {
        assertEquals(1, run.warnings().size(), () -> run.warnings().toString());
        String warning = run.warnings().get(0);
        assertTrue(warning.contains(part), warning);
        return warning;
    }

    private BestEvaluation best() {
        return BestEvaluation.of(InputFiles.jsonObject(output.resolve("best/best_model.json")));
    }

    @Test
    void theBestModelSaysWhichEvaluationOfWhichRunItIs() {
        run.steps(4).train();
        assertEquals("loss", best().rules().metric());
        assertTrue(
                best().rules().heldOut().startsWith("5 samples ("),
                best().rules().heldOut());
        String fingerprint = InputFiles.jsonObject(output.resolve("best/best_model.json"))
                .path("run")
                .asText();
        assertTrue(fingerprint.startsWith("13 samples ("), fingerprint);
        assertEquals(List.of(), run.warnings());
    }

    @Test
    void anotherMetricStartsAnewAndSaysSo() {
        run.steps(4).train();
        run.steps(6).resume().with(a -> a.selection(by("perplexity", false))).train();
        only("chosen by loss on 5 samples");
        assertEquals("perplexity", best().rules().metric());
        assertTrue(best().step() > 4);
    }

    @Test
    void theSameMetricTheOtherWayRoundStartsAnew() {
        run.steps(4).train();
        run.steps(6).resume().with(a -> a.selection(by("loss", true))).train();
        only("loss (greater is better)");
        assertTrue(best().rules().greaterIsBetter() && best().step() > 4);
    }

    @Test
    void otherHeldOutSamplesStartAnewWithTheirOwnSmallestLoss() {
        TrainingSummary first = run.steps(4).train();
        TrainingSummary second =
                run.steps(5).resume().heldOut(new SyntheticSamples(5, 199, 9)).train();
        only("5 samples (");
        assertEquals(5, best().step());
        assertFalse(first.bestEvaluationLoss().equals(second.bestEvaluationLoss()));
    }

    @Test
    void aBestModelThatIsGoneIsLookedForAnewAndSaidToBeGone() {
        run.steps(4).train();
        AtomicFiles.deleteTree(output.resolve("best"));
        run.steps(6).resume().train();
        only("is not there any more");
        assertTrue(best().step() > 4);
    }

    @Test
    void aBestModelOfAnotherRunIsNotUsed() throws IOException {
        run.steps(4).train();
        Path provenance = output.resolve("best/best_model.json");
        ObjectNode json = InputFiles.jsonObject(provenance);
        Files.writeString(provenance, Json.write(json.put("run", "another")));
        run.steps(6).resume().train();
        only("is not there but another one");
        assertTrue(best().step() > 4);
    }

    @Test
    void aCompleteRunWhoseBestModelIsGoneGivesNoOtherInItsPlace() {
        run.steps(4).train();
        AtomicFiles.deleteTree(output.resolve("best"));
        UserErrorException e =
                assertThrows(UserErrorException.class, () -> run.resume().train());
        assertTrue(e.getMessage().contains("is not there any more"), e.getMessage());
        assertTrue(e.getMessage().contains("the run is complete"), e.getMessage());
    }

    @Test
    void theModelThatTheCheckpointKnowsOutlivesABetterOneOfAKilledRun() throws IOException {
        // Killed after step 3 was better than step 2, before the next checkpoint: the states on disk are those of a
        // kill.
        run.steps(2).train();
        BestEvaluation before = best();
        Path known = Files.createDirectory(directory.resolve("known"));
        copy(output.resolve("best"), known);
        Files.move(output.resolve("best"), output.resolve(".best-of-checkpoint"));
        copy(known, Files.createDirectory(output.resolve("best")));
        Path provenance = output.resolve("best/best_model.json");
        ObjectNode later = InputFiles.jsonObject(provenance);
        Files.writeString(provenance, Json.write(later.put("step", 3).put("value", 0.1)));
        run.resume().train();
        assertEquals(List.of(), run.warnings());
        assertEquals(before, best());
        assertFalse(Files.exists(output.resolve(".best-of-checkpoint")));
    }

    private static void copy(Path from, Path to) throws IOException {
        try (var files = Files.list(from)) {
            for (Path file : files.toList()) {
                Files.copy(file, to.resolve(file.getFileName()));
            }
        }
    }

    @Test
    void patienceGoesOnWhereTheRunWasStopped() {
        TinyRun whole = worsening(directory.resolve("whole"));
        long end = whole.train().steps();
        assertTrue(end > 3 && end < 40, "it gets worse: " + end);
        run = worsening(output).stopAfter(end - 1);
        assertTrue(run.train().interrupted());
        long best = best().step();
        TrainingSummary resumed = run.resume().stopAfter(Long.MAX_VALUE).train();
        assertEquals(EndReason.EARLY_STOPPING, resumed.reason());
        assertEquals(end, resumed.steps(), "one evaluation more, not three");
        assertEquals(best, best().step());
        assertEquals(List.of(), run.warnings());
    }

    /** So large a learning rate only makes it worse. */
    private static TinyRun worsening(Path output) {
        return new TinyRun(output).steps(40).evaluated().saveEvery(1).with(a -> a.learningRate(0.5)
                .selection(ModelSelection.byLoss().withEarlyStopping(3, 0)));
    }

    @Test
    void whyARunEndedEarlyIsSaidEverywhere() throws IOException {
        Path report = output.resolve("report.html");
        TrainingSummary summary = run.steps(40)
                .with(a -> a.learningRate(0.5).selection(ModelSelection.byLoss().withEarlyStopping(3, 0.01)))
                .listeners(List.of(new HtmlReportListener(report)))
                .train();
        assertEquals(EndReason.EARLY_STOPPING, summary.reason());
        assertTrue(
                summary.explanation().startsWith("stopped early: 3 evaluations without an improvement of loss by more"),
                summary.explanation());
        assertTrue(Files.readString(report).contains("Stopped early"));
        assertTrue(Files.readString(report).contains("3 evaluations without an improvement of loss"));
        String log = Files.readString(output.resolve("metrics.jsonl"));
        assertTrue(log.contains("\"reason\":\"early_stopping\""), log);
        TrainingSummary again = run.resume().train();
        assertEquals(EndReason.EARLY_STOPPING, again.reason());
        assertEquals(summary.steps(), again.steps());
    }
}
