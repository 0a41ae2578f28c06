package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.finetune4j.ChildJvm;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Torch;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What needs no model answers without loading libtorch, which takes seconds. */
@Tag("slow")
class StartTest {

    @TempDir
    Path directory;

    @Test
    void commandsThatNeedNoModelLoadNoLibtorch() throws IOException, InterruptedException {
        TrainingFiles files = new TrainingFiles(directory);
        Path classes = directory.resolve("classes.txt");
        Path log = directory.resolve("child.log");
        Process process = new ProcessBuilder(ChildJvm.command(
                        List.of("-Xlog:class+load:file=" + classes.getFileName()),
                        Commands.class,
                        files.config.toString(),
                        files.model.toString()))
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        assertTrue(process.waitFor(2, TimeUnit.MINUTES));
        assertEquals(0, process.exitValue(), Files.readString(log));
        List<String> natives = Files.readAllLines(classes).stream()
                .filter(line -> line.contains(" " + Torch.class.getName() + " ")
                        || line.contains(" ai.djl.engine.Engine ")
                        || line.contains(" org.bytedeco.pytorch.global.torch "))
                .toList();
        assertEquals(List.of(), natives, Files.readString(log));
    }

    @Test
    void aProgramWithoutAGpuIsNotWarnedOfIt() throws IOException, InterruptedException {
        assumeFalse(Files.exists(Path.of("/dev/nvidiactl")));
        Path log = directory.resolve("child.log");
        Process process = new ProcessBuilder(ChildJvm.command(List.of(), LoadsLibtorch.class))
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        assertTrue(process.waitFor(2, TimeUnit.MINUTES));
        assertEquals(0, process.exitValue(), Files.readString(log));
        List<String> lines = Files.readAllLines(log);
        assertTrue(lines.contains("cpu"), lines.toString());
        assertEquals(
                List.of(), lines.stream().filter(line -> line.contains("WARN")).toList());
    }

    /** A program with a log as it comes. */
    static final class LoadsLibtorch {

        private LoadsLibtorch() {}

        public static void main(String[] args) {
            System.out.println(Device.best());
            System.out.flush();
        }
    }

    /** Runs many commands in one virtual machine and ends with the number of those that ended otherwise than they should. */
    static final class Commands {

        private Commands() {}

        private record Expected(int exitCode, List<String> command) {}

        public static void main(String[] args) {
            String config = args[0];
            String model = args[1];
            int wrong = 0;
            for (Expected expected : expected(config, model)) {
                System.out.println(expected.command);
                CommandRun run = CommandRun.of(expected.command.toArray(String[]::new));
                if (run.exitCode() != expected.exitCode) {
                    System.out.println(expected + " gave " + run);
                    wrong++;
                }
            }
            System.exit(wrong);
        }

        private static List<Expected> expected(String config, String model) {
            List<Expected> all = new ArrayList<>();
            for (String command :
                    List.of("--help", "--version", "train --help", "bench step --help", "generate --help")) {
                all.add(new Expected(0, List.of(command.split(" "))));
            }
            all.add(new Expected(2, List.of("trian")));
            all.add(new Expected(2, List.of("train")));
            all.add(new Expected(2, List.of("train", "missing.yaml")));
            for (String command : List.of("train", "validate")) {
                for (String setting : List.of(
                        "lerning_rate=1",
                        "learning_rate=high",
                        "optim=adamv",
                        "device=gpu",
                        "dtype=float31",
                        "method=lara",
                        "load_in_4bit=perhaps",
                        "train_file=missing.jsonl",
                        "model_name_or_path=missing")) {
                    all.add(new Expected(2, List.of(command, config, setting)));
                }
            }
            all.add(new Expected(2, List.of("generate", "--model", "missing", "--prompt", "a")));
            all.add(new Expected(2, List.of("generate", "--model", model, "--adapter", "missing", "--prompt", "a")));
            all.add(new Expected(2, List.of("generate", "--model", model, "--device", "gpu", "--prompt", "a")));
            all.add(new Expected(2, List.of("generate", "--model", model, "--prompt", "a", "--top-p", "2")));
            all.add(new Expected(2, List.of("eval", "--model", "missing", "--data", "a.jsonl")));
            all.add(new Expected(2, List.of("merge", "--model", "missing", "--adapter", model, "--output", "out")));
            all.add(new Expected(2, List.of("export", "--model", "missing", "--output", "out.gguf")));
            all.add(new Expected(2, List.of("quantize", "--model", "missing", "--output", "out", "--type", "nf4")));
            all.add(new Expected(2, List.of("add-tokens", "--model", "missing", "--output", "out", "--token", "<a>")));
            all.add(new Expected(2, List.of("push", "missing", "org/name")));
            all.add(new Expected(2, List.of("download", "not a name")));
            return all;
        }
    }
}
