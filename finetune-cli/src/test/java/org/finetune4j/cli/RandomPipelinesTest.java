package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.finetune4j.AtomicFiles;
import org.finetune4j.TestJson;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Rows of trainings that nobody wrote: {@code validate} says of each what {@code train} will, and one that was interrupted in any of its
 * stages goes on to the same bytes. {@code -Dfinetune4j.pipelines=300 -Dfinetune4j.seed=7} tries other ones; a case that fails keeps its
 * files in {@code target/random-pipelines/SEED}.
 */
@Tag("slow")
class RandomPipelinesTest {

    /** What nobody can know before. */
    private static final Pattern ENDS_IN_TRAINING =
            Pattern.compile("rounds in a row have no answer|stopped|the loss is");

    @Test
    void endsAsWithoutAnInterruptionOrIsRefusedBeforeItBegins() throws IOException {
        Map<String, Integer> outcomes = RandomCases.of("random-pipelines", "finetune4j.pipelines", 6)
                .run((seed, at) -> {
                    RandomPipeline pipeline = RandomPipeline.draw(seed, at);
                    return RandomCases.Case.of(
                            pipeline.what(), pipeline.yaml(), () -> check(pipeline, at.resolve("out")));
                });
        assertTrue(outcomes.keySet().stream().anyMatch(outcome -> outcome.startsWith("the same")), outcomes::toString);
    }

    private static String check(RandomPipeline pipeline, Path output) throws IOException {
        CommandRun validated = pipeline.run("validate", output);
        requireNoStackTrace(validated);
        CommandRun run = pipeline.run("train", output);
        requireNoStackTrace(run);
        if (run.exitCode() == 2) {
            assertEquals(1, run.errors().size(), () -> "not one line\n" + String.join("\n", run.err()));
            String said = run.errors().get(0);
            if (ENDS_IN_TRAINING.matcher(said).find()) {
                return "ended, " + said;
            }
            assertEquals(2, validated.exitCode(), () -> "validate finds nothing, but train: " + run);
            return "refused, " + said;
        }
        assertEquals(0, run.exitCode(), () -> String.join("\n", run.err()));
        assertEquals(0, validated.exitCode(), () -> "refused by validate, but trained: " + validated);
        Map<Path, byte[]> expected = weights(output);
        assertFalse(expected.isEmpty(), "no weights");
        interrupt(pipeline, output);
        CommandRun resumed = pipeline.run("train", output);
        requireNoStackTrace(resumed);
        assertEquals(0, resumed.exitCode(), () -> "resumed: " + String.join("\n", resumed.err()));
        Map<Path, byte[]> found = weights(output);
        assertEquals(expected.keySet(), found.keySet());
        expected.forEach((file, bytes) -> assertArrayEquals(bytes, found.get(file), () -> "other bytes in " + file));
        return "the same";
    }

    /** As after a kill in the second step of one stage: its first checkpoint is there, what came later is not. */
    private static void interrupt(RandomPipeline pipeline, Path output) throws IOException {
        Path state = output.resolve("pipeline.json");
        ObjectNode done = (ObjectNode) TestJson.read(state);
        ObjectNode begun = (ObjectNode) done.path("stages");
        int interrupted = pipeline.interrupted();
        pipeline.stages().subList(interrupted + 1, pipeline.stages().size()).forEach(later -> {
            begun.remove(later);
            AtomicFiles.deleteTree(output.resolve(later));
        });
        String stage = pipeline.stages().get(interrupted);
        ((ObjectNode) begun.path(stage)).put("complete", false);
        TrainingFiles.write(state, done.toString());
        Path directory = output.resolve(stage);
        for (int step = 2; step <= 4; step++) {
            AtomicFiles.deleteTree(directory.resolve("checkpoint-" + step));
        }
        AtomicFiles.deleteTree(directory.resolve("merged"));
        for (Path file : weights(directory).keySet()) {
            if (directory.equals(file.getParent())) {
                Files.delete(file);
            }
        }
    }

    private static void requireNoStackTrace(CommandRun run) {
        if (run.err().stream().anyMatch(line -> line.startsWith("\tat ")) || run.exitCode() == 1) {
            fail("exit code " + run.exitCode() + "\n" + String.join("\n", run.err()));
        }
    }

    /** What the stages left, but for their checkpoints and what a reference said. */
    private static Map<Path, byte[]> weights(Path output) throws IOException {
        Map<Path, byte[]> weights = new TreeMap<>();
        try (Stream<Path> files = Files.walk(output)) {
            for (Path file : files.filter(path -> path.toString().endsWith(".safetensors"))
                    .filter(path -> !path.toString().contains("checkpoint-"))
                    .filter(path -> !path.getFileName().toString().startsWith("reference-"))
                    .toList()) {
                weights.put(file, Files.readAllBytes(file));
            }
        }
        return weights;
    }
}
