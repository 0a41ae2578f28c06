package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.finetune4j.AtomicFiles;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Trainings by feedback that nobody wrote: each is refused in one line, or ends with finite weights, the same to the last byte where
 * it goes on from its first checkpoint. {@code -Dfinetune4j.feedbacks=300 -Dfinetune4j.seed=7} tries other ones; a case that fails
 * keeps its files in {@code target/random-feedback/SEED}.
 */
@Tag("slow")
class RandomFeedbackTest {

    @Test
    void endsAsWithoutAnInterruptionOrIsRefused() throws IOException {
        Map<String, Integer> outcomes = RandomCases.of("random-feedback", "finetune4j.feedbacks", 10)
                .run((seed, at) -> {
                    RandomFeedback training = RandomFeedback.draw(seed, at);
                    return RandomCases.Case.of(training.what(), training.yaml(), () -> check(training, at));
                });
        assertTrue(outcomes.keySet().stream().anyMatch(outcome -> outcome.startsWith("the same")), outcomes::toString);
    }

    private static String check(RandomFeedback training, Path at) throws IOException {
        Path output = at.resolve("out");
        CommandRun run = training.train(output);
        requireNoStackTrace(run);
        if (run.exitCode() == 2) {
            assertEquals(1, run.errors().size(), () -> "not one line\n" + String.join("\n", run.err()));
            return "refused, " + run.errors().get(0);
        }
        assertEquals(0, run.exitCode(), () -> String.join("\n", run.err()));
        List<Path> results = weights(output);
        assertFalse(results.isEmpty(), "no weights");
        List<byte[]> expected = new ArrayList<>();
        for (Path file : results) {
            requireFinite(file);
            expected.add(Files.readAllBytes(file));
        }
        assertTrue(Files.isDirectory(output.resolve("checkpoint-1")), "no checkpoint of the first step");
        // As after a kill in the second step: the first step's checkpoint is there, what came later is not.
        for (int step = 2; step <= 4; step++) {
            AtomicFiles.deleteTree(output.resolve("checkpoint-" + step));
        }
        for (Path file : results) {
            Files.deleteIfExists(file);
        }
        CommandRun resumed = training.train(output, "resume_from_checkpoint=true");
        requireNoStackTrace(resumed);
        assertEquals(0, resumed.exitCode(), () -> "resumed: " + String.join("\n", resumed.err()));
        for (int i = 0; i < results.size(); i++) {
            Path file = results.get(i);
            assertTrue(Files.exists(file), () -> "resumed without " + file.getFileName());
            assertArrayEquals(expected.get(i), Files.readAllBytes(file), () -> "other bytes in " + file.getFileName());
        }
        return "the same";
    }

    private static void requireNoStackTrace(CommandRun run) {
        if (run.err().stream().anyMatch(line -> line.startsWith("\tat ")) || run.exitCode() == 1) {
            fail("exit code " + run.exitCode() + "\n" + String.join("\n", run.err()));
        }
    }

    /** The files of weights of the result, beside the checkpoints. */
    private static List<Path> weights(Path output) throws IOException {
        try (Stream<Path> files = Files.list(output)) {
            return files.filter(file -> file.toString().endsWith(".safetensors"))
                    .filter(file -> !file.getFileName().toString().startsWith("reference-"))
                    .sorted()
                    .toList();
        }
    }

    private static void requireFinite(Path path) {
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile file = SafetensorsFile.open(path)) {
            for (String name : file.names()) {
                Tensor tensor = file.tensor(name);
                if (tensor.dtype().isFloatingPoint()) {
                    double sum = tensor.to(DType.FLOAT64).abs().sum().item();
                    assertTrue(Double.isFinite(sum), () -> name + " of " + path.getFileName() + " is not finite");
                }
            }
        }
    }
}
