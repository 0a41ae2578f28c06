package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.finetune4j.AtomicFiles;
import org.finetune4j.ChildJvm;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** A polite kill of {@code finetune train} leaves a checkpoint, from which the run ends as if nothing had happened. */
@Tag("slow")
class InterruptTest {

    @TempDir
    Path directory;

    @Test
    @DisabledOnOs(OS.WINDOWS)
    void aTerminatedTrainingResumesToTheSameBytes() throws IOException, InterruptedException {
        TrainingFiles files = new TrainingFiles(directory);
        Path stopped = directory.resolve("stopped");
        Process process = start(files, stopped);
        while (process.isAlive() && !Files.exists(stopped.resolve("checkpoint-3"))) {
            Thread.sleep(5);
        }
        process.destroy();
        assertTrue(process.waitFor(60, TimeUnit.SECONDS));
        List<Path> left = checkpoints(stopped);
        assertEquals(1, left.size(), left::toString);
        assertTrue(Files.exists(left.get(0).resolve("trainer_state.json")));

        CommandRun resumed = files.train(settings(stopped, "resume_from_checkpoint=true"));
        assertEquals(0, resumed.exitCode(), resumed.toString());
        Path straight = directory.resolve("straight");
        CommandRun whole = files.train(settings(straight));
        assertEquals(0, whole.exitCode(), whole.toString());
        assertArrayEquals(
                Files.readAllBytes(straight.resolve("adapter_model.safetensors")),
                Files.readAllBytes(stopped.resolve("adapter_model.safetensors")));
    }

    @Test
    @DisabledOnOs(OS.WINDOWS)
    void aProcessThatEndsLeavesNoHalfFile() throws IOException, InterruptedException {
        Path file = Files.createDirectory(directory.resolve("out")).resolve("file");
        Process process = new ProcessBuilder(
                        ChildJvm.command(List.of("-Xmx64m"), EndsWhileWriting.class, file.toString()))
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("child.log").toFile())
                .start();
        assertTrue(process.waitFor(60, TimeUnit.SECONDS));
        assertEquals(7, process.exitValue());
        try (var left = Files.list(file.getParent())) {
            assertEquals(List.of(), left.toList());
        }
    }

    /** Is asked to end in the middle of a file. */
    static final class EndsWhileWriting {

        private EndsWhileWriting() {}

        public static void main(String[] args) {
            InterruptGuard.deleteUnfinishedFilesAtExit();
            AtomicFiles.write(Path.of(args[0]), path -> {
                Files.writeString(path, "half");
                System.exit(7);
            });
        }
    }

    private static String[] settings(Path output, String... more) {
        List<String> settings =
                new ArrayList<>(List.of("output_dir=" + output, "max_steps=30", "save_steps=1", "lora_dropout=0.1"));
        settings.addAll(List.of(more));
        return settings.toArray(String[]::new);
    }

    private Process start(TrainingFiles files, Path output) throws IOException {
        List<String> command = ChildJvm.command(List.of("-Xmx256m"), Main.class, "train", files.config.toString());
        command.addAll(List.of(settings(output)));
        return new ProcessBuilder(command)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(directory.resolve("child.log").toFile())
                .start();
    }

    private static List<Path> checkpoints(Path output) throws IOException {
        try (var files = Files.list(output)) {
            return files.filter(path -> path.getFileName().toString().startsWith("checkpoint-"))
                    .toList();
        }
    }
}
