package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.train.report.HtmlReportListener;
import org.finetune4j.train.report.TensorBoardListener;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Who may write where: names that only look like checkpoints, runs that would overwrite others, kills half way. */
class RunDirectoryTest {

    @TempDir
    Path directory;

    private Path output;
    private TinyRun run;

    @BeforeEach
    void prepare() {
        output = directory.resolve("out");
        run = new TinyRun(output);
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(output)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    private static String refusal(Runnable action) {
        String message = String.valueOf(
                assertThrows(UserErrorException.class, action::run).getMessage());
        assertEquals(1, message.lines().count());
        assertTrue(message.length() < 2000);
        return message;
    }

    /** Bytes of every file, with its time: a file that is written again is noticed though it is the same. */
    private TreeMap<String, String> snapshot() throws IOException {
        TreeMap<String, String> found = new TreeMap<>();
        try (Stream<Path> files = Files.walk(output)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                found.put(
                        output.relativize(file).toString(),
                        Files.getLastModifiedTime(file) + " " + Arrays.hashCode(Files.readAllBytes(file)));
            }
        }
        return found;
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "checkpoint-99999999999999999999",
                "checkpoint-9223372036854775808",
                "checkpoint-abc",
                "checkpoint-007",
                "checkpoint-",
                "checkpoint--1",
                "checkpoint-4.old",
                "checkpoint-4 (copy)",
                "Checkpoint-4",
                "checkpoint-\u0664",
                "my-checkpoint-90",
            })
    void aDirectoryWhoseNameOnlyLooksLikeACheckpointIsLeftAlone(String name) throws IOException {
        Files.createDirectories(output.resolve(name));
        Files.writeString(output.resolve(name).resolve("mine"), "x");
        run.steps(3).train();
        run.steps(4).resume().train();
        assertEquals("x", Files.readString(output.resolve(name).resolve("mine")));
        assertTrue(names().contains("checkpoint-4"));
    }

    @Test
    void aFileNamedLikeACheckpointIsNone() throws IOException {
        Files.createDirectories(output);
        Files.writeString(output.resolve("checkpoint-90"), "x");
        run.steps(3).train();
        assertEquals(List.of("checkpoint-3", "checkpoint-90"), names());
    }

    @ParameterizedTest
    @ValueSource(strings = {"checkpoint-3", "best"})
    void aFileWhereTheRunWillWriteADirectoryIsFoundBeforeTheFirstStep(String name) throws IOException {
        Files.createDirectories(output);
        Files.writeString(output.resolve(name), "x");
        assertTrue(refusal(() -> run.steps(3).train()).contains("move it away"));
        assertEquals(List.of(name), names());
    }

    @Test
    void aCheckpointThatIsALinkIsResumedFromAndOnlyTheLinkIsDeleted() throws IOException {
        run.steps(3).train();
        Path moved = Files.move(output.resolve("checkpoint-3"), directory.resolve("elsewhere"));
        Files.createSymbolicLink(output.resolve("checkpoint-3"), moved);
        Files.createSymbolicLink(output.resolve("checkpoint-80"), directory.resolve("nowhere"));
        assertEquals(4, run.steps(4).resume().train().steps());
        assertTrue(Files.exists(moved.resolve("checkpoint.json")));
        assertEquals(List.of("checkpoint-4", "checkpoint-80"), names());
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aCheckpointOfAnotherProgramIsNeitherResumedNorReplaced(boolean resume) throws IOException {
        Path foreign = Files.createDirectories(output.resolve("checkpoint-500"));
        Files.writeString(foreign.resolve("trainer_state.json"), "{\"global_step\": 500}");
        String message = refusal(() -> (resume ? run.resume() : run).train());
        assertTrue(message.contains("checkpoint-500") && message.contains("checkpoint.json"), message);
        assertEquals(List.of("checkpoint-500"), names());
    }

    @Test
    void checkpointsOfOthersBesideOurOwnAreNotRotatedAway() throws IOException {
        run.steps(3).train();
        Files.createDirectories(output.resolve("checkpoint-2"));
        Files.createDirectories(output.resolve("checkpoint-90"));
        assertTrue(refusal(() -> run.steps(90).resume().train()).contains("checkpoint-90"));
        assertEquals(5, run.steps(5).resume().train().steps());
        assertEquals(List.of("checkpoint-2", "checkpoint-5", "checkpoint-90"), names());
    }

    @Test
    void aCheckpointUnderAnotherNameIsRefused() throws IOException {
        run.steps(3).train();
        Files.move(output.resolve("checkpoint-3"), output.resolve("checkpoint-30"));
        assertTrue(refusal(() -> run.steps(40).resume().train()).contains("holds step 3"));
    }

    @Test
    void whatAKillLeftHalfDoneIsGoneAfterTheResumedRun() throws IOException {
        run.steps(3).train();
        for (String left :
                List.of(".checkpoint-2.deleted", ".checkpoint-4.partial", ".best.partial", ".checkpoint-3.old")) {
            Files.writeString(Files.createDirectories(output.resolve(left)).resolve("model.safetensors"), "half");
        }
        Files.createFile(output.resolve(".training.lock"));
        run.steps(5).resume().train();
        assertEquals(List.of("checkpoint-5"), names());
    }

    @Test
    void nothingToResumeIsAnError() {
        String message = refusal(() -> run.resume().train());
        assertTrue(message.contains("resume_from_checkpoint is true, but " + output), message);
        assertFalse(Files.exists(output));
    }

    @ParameterizedTest
    @ValueSource(strings = {"adapter_config.json", "model.safetensors", "best/model.safetensors"})
    void resultsWithoutACheckpointAreNotOverwrittenEither(String name) throws IOException {
        Path file = output.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, "{}");
        assertTrue(refusal(run::train).contains("of an earlier run"));
        assertEquals("{}", Files.readString(file));
    }

    @Test
    void aRefusedRunTouchesNothing() throws IOException {
        run.steps(3).evaluated().listeners(reports()).train();
        TreeMap<String, String> before = snapshot();
        refusal(() -> run.resume(false).train());
        refusal(() -> run.resume().seed(7).train());
        Files.writeString(output.resolve("checkpoint-3/model.safetensors"), "short");
        refusal(() -> run.seed(42).train());
        before.remove("checkpoint-3/model.safetensors");
        TreeMap<String, String> after = snapshot();
        after.remove("checkpoint-3/model.safetensors");
        assertEquals(before, after);
    }

    @Test
    void aCompleteRunThatIsResumedIsLeftAsItIsAndKnowsItsLoss() throws IOException {
        TrainingSummary first = run.steps(3).evaluated().listeners(reports()).train();
        TreeMap<String, String> before = snapshot();
        TrainingSummary second = run.resume().train();
        assertEquals(before, snapshot());
        assertEquals(first.finalLoss(), second.finalLoss());
        assertEquals(first.bestEvaluationLoss(), second.bestEvaluationLoss());
        assertTrue(second.explanation().contains("complete already"), second.explanation());
        run.steps(5).train();
        assertTrue(Files.readString(output.resolve("report.html")).contains("5 of 5 steps"));
        assertFalse(before.equals(snapshot()));
    }

    private List<TrainingListener> reports() {
        return List.of(
                new HtmlReportListener(output.resolve("report.html")), new TensorBoardListener(output.resolve("runs")));
    }

    @Test
    void whileARunGoesOnNoOtherStartsThere() {
        TinyRun second = new TinyRun(output);
        List<String> refused = new ArrayList<>();
        run.steps(3).saveEvery(1).listeners(List.of(new TrainingListener() {
            @Override
            public void onStep(StepMetrics metrics) {
                refused.add(refusal(() -> second.resume(metrics.step() > 1).train()));
            }
        }));
        run.train();
        assertEquals(3, refused.size());
        assertTrue(refused.get(0).contains("another training is running there"), refused.get(0));
        assertTrue(refused.get(2).contains("another training is running there"), refused.get(2));
    }

    @Test
    void aFormatOfALaterVersionIsRefusedByItsNumber() throws IOException {
        run.steps(3).train();
        Path manifest = output.resolve("checkpoint-3/checkpoint.json");
        ObjectNode json = InputFiles.jsonObject(manifest);
        Files.writeString(manifest, Json.write(json.put("version", 2)));
        String message = refusal(() -> run.resume().train());
        assertTrue(message.contains("version 2 of the checkpoint format is unknown"), message);
    }
}
