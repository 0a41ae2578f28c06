package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@code finetune train} does where a finished run lies: it overwrites nothing of it, and makes up no numbers. */
class FinishedRunTest {

    private static final String[] SETTINGS = {"max_steps=3", "report_to=[html, tensorboard]"};

    @TempDir
    Path directory;

    private TrainingFiles files;

    @BeforeEach
    void finishARun() {
        files = new TrainingFiles(directory);
        assertEquals(0, files.train(SETTINGS).exitCode());
    }

    private static String[] with(String... more) {
        return Stream.concat(Arrays.stream(SETTINGS), Arrays.stream(more)).toArray(String[]::new);
    }

    private TreeMap<String, Integer> content() throws IOException {
        TreeMap<String, Integer> content = new TreeMap<>();
        try (Stream<Path> tree = Files.walk(files.output)) {
            for (Path file : tree.filter(Files::isRegularFile).toList()) {
                content.put(files.output.relativize(file).toString(), Arrays.hashCode(Files.readAllBytes(file)));
            }
        }
        assertTrue(content.keySet().containsAll(List.of("report.html", "metrics.jsonl", "adapter_model.safetensors")));
        return content;
    }

    @Test
    void aSecondRunIsRefusedAndTouchesNothing() throws IOException {
        TreeMap<String, Integer> before = content();
        for (String other : List.of("learning_rate=1e-2", "r=8", "seed=7")) {
            CommandRun run = files.train(with(other));
            assertEquals(2, run.exitCode(), run.toString());
            assertEquals(before, content());
        }
    }

    @Test
    void withItsCheckpointsDeletedTheResultIsStillNotOverwritten() throws IOException {
        try (Stream<Path> tree = Files.walk(files.output.resolve("checkpoint-3"))) {
            for (Path file : tree.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
        TreeMap<String, Integer> before = content();
        CommandRun run = files.train(SETTINGS);
        assertEquals(2, run.exitCode(), run.toString());
        assertTrue(run.errors().get(0).contains("adapter_config.json of an earlier run"), run.toString());
        assertEquals(before, content());
        CommandRun resumed = files.train(with("resume_from_checkpoint=true"));
        assertEquals(2, resumed.exitCode(), resumed.toString());
        assertTrue(resumed.errors().get(0).contains("holds no checkpoint-STEP"), resumed.toString());
        assertEquals(before, content());
    }

    @Test
    void resumingItSaysThatItIsCompleteAndChangesNothing() throws IOException {
        TreeMap<String, Integer> before = content();
        CommandRun run = files.train(with("resume_from_checkpoint=true"));
        assertEquals(0, run.exitCode(), run.toString());
        assertEquals(before, content());
        assertFalse(run.toString().contains("NaN"), run.toString());
        assertTrue(
                run.err().stream().anyMatch(line -> line.contains("complete already, nothing was trained")),
                run.toString());
    }

    @Test
    void validateTellsWhatTrainWouldRefuse() {
        CommandRun run = files.run("validate", SETTINGS);
        assertEquals(2, run.exitCode(), run.toString());
        assertTrue(run.errors().get(0).contains("holds checkpoint-3 of an earlier run"), run.toString());
    }
}
