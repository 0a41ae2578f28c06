package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.finetune4j.AtomicFiles;
import org.finetune4j.ChildJvm;
import org.finetune4j.InputFiles;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.train.CheckpointName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Trainings that are killed at random moments, again and again, and resumed each time: every checkpoint that a kill leaves can be
 * loaded, the end is that of a run that nobody killed, byte for byte, and nothing is left behind. How many kills each kind of run
 * gets can be set: {@code -Dfinetune4j.kills=20}.
 */
@Tag("slow")
class KilledRunsTest {

    private static final int KILLS = Integer.getInteger("finetune4j.kills", 1);
    private static final long SEED = Long.getLong("finetune4j.kills.seed", 1);

    /** Microseconds after which a process is killed at the latest. */
    private static final int LONGEST_DELAY = 500_000;

    /** Beside weights and states a run writes what tells of its starts and times, which a kill does change. */
    private static final List<String> REPORTS = List.of("metrics.jsonl", "report.html", "runs");

    private enum Kind {
        LORA("lora_dropout=0.1"),
        FULL("method=full", "optim=adafactor"),
        FULL_IN_FILES("method=full", "device=cpu", "optim=adamw"),
        QLORA_WITH_PAGED_STATES(
                "load_in_4bit=true",
                "device=cpu",
                "r=32",
                "gradient_checkpointing=true",
                "activation_offloading=true",
                "optim=paged_adamw_8bit"),
        BEST_MODEL_OF_AN_AVERAGE(
                "ema_decay=0.9",
                "learning_rate=0.3",
                "eval_steps=1",
                "save_steps=3",
                "load_best_model_at_end=true",
                "metric_for_best_model=loss",
                "early_stopping_patience=1000");

        private final List<String> settings;

        Kind(String... settings) {
            this.settings = List.of(settings);
        }
    }

    @TempDir
    Path directory;

    private TrainingFiles files;
    private Path states;

    @ParameterizedTest
    @EnumSource
    void aRunThatIsKilledAnywhereEndsAsIfNothingHadHappened(Kind kind) throws Exception {
        files = new TrainingFiles(directory);
        if (kind == Kind.FULL || kind == Kind.FULL_IN_FILES) {
            TrainingFiles.edit(files.config, "r: 4\ntarget_modules: [q_proj, v_proj]\n", "");
        }
        TrainingFiles.write(
                directory.resolve("held-out.jsonl"), TrainingFiles.record("Where does Ann live?", "In Rome."));
        states = Files.createDirectory(directory.resolve("states"));
        Path whole = directory.resolve("whole");
        assertComplete(CommandRun.of(arguments(kind, whole, false)));
        TreeMap<String, byte[]> expected = content(whole);
        assertTrue(expected.keySet().stream().anyMatch(name -> name.startsWith("checkpoint-")));
        Random random = new Random(SEED);
        int kills = 0;
        for (int round = 0; kills < KILLS; round++) {
            Path killed = directory.resolve("killed-" + round);
            boolean complete = false;
            while (!complete && kills < KILLS) {
                Process process = start(arguments(kind, killed, hasCheckpoint(killed)));
                complete = !kill(process, killed, random);
                kills += complete ? 0 : 1;
                assertTrue(!complete || process.exitValue() == 0, this::log);
                assertLoadable(killed);
                if (!hasCheckpoint(killed)) {
                    // There is nothing to go on from, and a new start would refuse to overwrite a best model.
                    AtomicFiles.deleteTree(killed);
                }
            }
            if (!complete) {
                assertComplete(CommandRun.of(arguments(kind, killed, hasCheckpoint(killed))));
            }
            assertSame(expected, content(killed));
            try (Stream<Path> left = Files.list(states)) {
                assertEquals(List.of(), left.toList(), "states of killed runs");
            }
        }
        System.out.println(kind + ": " + kills + " kills");
    }

    private static void assertComplete(CommandRun run) {
        assertEquals(0, run.exitCode(), run.toString());
    }

    /** Waits for a random moment: of the start, or of the steps, whose checkpoints are written all the time. */
    private static boolean kill(Process process, Path output, Random random) throws Exception {
        long first = latest(output);
        if (random.nextInt(5) > 0) {
            while (process.isAlive() && latest(output) <= first) {
                TimeUnit.MILLISECONDS.sleep(1);
            }
        }
        if (process.waitFor(random.nextInt(LONGEST_DELAY), TimeUnit.MICROSECONDS)) {
            return false;
        }
        process.destroyForcibly().waitFor();
        return true;
    }

    private String[] arguments(Kind kind, Path output, boolean resume) {
        List<String> arguments = new ArrayList<>(List.of(
                "train",
                files.config.toString(),
                "output_dir=" + output,
                "max_steps=24",
                "save_steps=1",
                "save_total_limit=3",
                "eval_file=" + directory.resolve("held-out.jsonl"),
                "report_to=[html, tensorboard]"));
        arguments.addAll(kind.settings);
        if (kind == Kind.QLORA_WITH_PAGED_STATES) {
            arguments.add("optim_args={resident_mb: 0.02, directory: " + states + "}");
        }
        if (kind == Kind.FULL_IN_FILES) {
            arguments.addAll(List.of("offload_optimizer=" + states, "offload_param=" + states));
        }
        if (resume) {
            arguments.add("resume_from_checkpoint=true");
        }
        return arguments.toArray(String[]::new);
    }

    private Process start(String... arguments) throws IOException {
        return new ProcessBuilder(ChildJvm.command(List.of("-Xmx256m"), Main.class, arguments))
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(directory.resolve("child.log").toFile())
                .start();
    }

    private String log() {
        try {
            return Files.readString(directory.resolve("child.log"));
        } catch (IOException e) {
            return e.toString();
        }
    }

    private static List<Path> checkpoints(Path output) throws IOException {
        if (!Files.isDirectory(output)) {
            return List.of();
        }
        try (Stream<Path> entries = Files.list(output)) {
            return entries.filter(path -> CheckpointName.stepOf(path).isPresent())
                    .toList();
        }
    }

    private static boolean hasCheckpoint(Path output) throws IOException {
        return !checkpoints(output).isEmpty();
    }

    private static long latest(Path output) throws IOException {
        return checkpoints(output).stream()
                .mapToLong(path -> CheckpointName.stepOf(path).orElse(-1))
                .max()
                .orElse(-1);
    }

    /** Every checkpoint has all its files, of the lengths that its manifest gives, and all its tensors. */
    private static void assertLoadable(Path output) throws IOException {
        for (Path checkpoint : checkpoints(output)) {
            ObjectNode manifest = InputFiles.jsonObject(checkpoint.resolve("checkpoint.json"));
            ObjectNode lengths = (ObjectNode) manifest.path("files");
            assertTrue(lengths.has("training_state.safetensors") && lengths.has("trainer_state.json"));
            for (String name : (Iterable<String>) lengths::fieldNames) {
                Path file = checkpoint.resolve(name);
                assertEquals(lengths.path(name).longValue(), Files.size(file), file::toString);
                if (name.endsWith(".safetensors")) {
                    try (SafetensorsFile content = SafetensorsFile.open(file)) {
                        content.names()
                                .forEach(tensor ->
                                        assertTrue(manifest.path("tensors").has(tensor), () -> file + ": " + tensor));
                    }
                }
            }
        }
    }

    private static TreeMap<String, byte[]> content(Path output) throws IOException {
        TreeMap<String, byte[]> content = new TreeMap<>();
        try (Stream<Path> tree = Files.walk(output)) {
            for (Path path : tree.toList()) {
                String name = output.relativize(path).toString();
                if (REPORTS.stream().noneMatch(report -> name.equals(report) || name.startsWith(report + "/"))) {
                    content.put(name, Files.isDirectory(path) ? new byte[0] : Files.readAllBytes(path));
                }
            }
        }
        return content;
    }

    private static void assertSame(TreeMap<String, byte[]> expected, TreeMap<String, byte[]> actual) {
        assertEquals(List.copyOf(expected.keySet()), List.copyOf(actual.keySet()));
        expected.forEach((name, bytes) -> assertArrayEquals(bytes, actual.get(name), name));
    }
}
