package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.finetune4j.ChildJvm;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Ranks on two hosts that die, stop or are cut off at any moment: the launcher goes on, and the result is the same. */
@Tag("slow")
class DyingRanksTest {

    private static final int STEPS = 12;
    private static final double TOLERANCE = 1e-5;
    private static final int USUAL_RUNS = 2;

    /** What happens to a rank. */
    private enum Failure {
        KILLED,
        CUT,
        STOPPED
    }

    @TempDir
    Path directory;

    /** Twice, or as often as {@code -Dfinetune4j.failures} says. */
    @Test
    void everyRunReachesTheResultOfOneThatNobodyDisturbed() throws Exception {
        assumeTrue(NamespaceHosts.canBeMade(directory), "two hosts need rights, ip and mpirun");
        TrainingFiles files = new TrainingFiles(directory);
        Path undisturbed = directory.resolve("undisturbed");
        CommandRun alone = files.train(settings(undisturbed).toArray(String[]::new));
        assertEquals(0, alone.exitCode(), alone.toString());
        Random random = new Random(15);
        for (int run = 0; run < Integer.getInteger("finetune4j.failures", USUAL_RUNS); run++) {
            Failure failure = Failure.values()[run % Failure.values().length];
            Path output = directory.resolve("run" + run);
            String said = disturbed(files, output, failure, random);
            String context = failure + "\n" + said;
            assertTrue(said.contains("restart 1 of 3 with " + (failure == Failure.CUT ? 1 : 2) + " ranks"), context);
            List<Double> expected = losses(undisturbed);
            List<Double> found = losses(output);
            assertEquals(STEPS, expected.size(), "steps that were logged");
            assertEquals(expected.size(), found.size(), context);
            for (int i = 0; i < expected.size(); i++) {
                assertEquals(
                        expected.get(i), found.get(i), TOLERANCE * expected.get(i), "step " + i + " of " + context);
            }
        }
    }

    private static List<String> settings(Path output) {
        return List.of(
                "output_dir=" + output,
                "max_steps=" + STEPS,
                "save_steps=1",
                "save_total_limit=2",
                "report_to=html",
                "zero_stage=2",
                "threads=1");
    }

    private String disturbed(TrainingFiles files, Path output, Failure failure, Random random) throws Exception {
        try (NamespaceHosts hosts = new NamespaceHosts(directory)) {
            Path said = directory.resolve(output.getFileName() + ".txt");
            List<String> command = ChildJvm.command(
                    List.of(),
                    Main.class,
                    "launch",
                    "--nproc",
                    "2",
                    "--hosts",
                    hosts.hosts().toString(),
                    "--max-restarts",
                    "3",
                    "--timeout",
                    "20",
                    "train",
                    files.config.toString());
            command.addAll(settings(output));
            Process launcher = hosts.start(said, command);
            try {
                awaitCheckpoint(output, launcher);
                Thread.sleep(random.nextInt(400));
                int host = random.nextInt(2);
                switch (failure) {
                    case KILLED -> NamespaceHosts.run("kill", "-9", String.valueOf(hosts.rank(host)));
                    case STOPPED -> NamespaceHosts.run("kill", "-STOP", String.valueOf(hosts.rank(host)));
                    case CUT -> hosts.cut();
                }
                assertTrue(launcher.waitFor(300, TimeUnit.SECONDS), "it goes on\n" + Files.readString(said));
                assertEquals(0, launcher.exitValue(), Files.readString(said));
                return Files.readString(said);
            } finally {
                launcher.destroyForcibly();
            }
        }
    }

    private static void awaitCheckpoint(Path output, Process launcher) throws Exception {
        while (launcher.isAlive()) {
            if (Files.isDirectory(output)) {
                try (Stream<Path> entries = Files.list(output)) {
                    if (entries.anyMatch(
                            entry -> String.valueOf(entry.getFileName()).startsWith("checkpoint-"))) {
                        return;
                    }
                }
            }
            Thread.sleep(20);
        }
    }

    /** Of every step, as the last attempt at it has logged it. */
    private static List<Double> losses(Path output) {
        List<Double> losses = new ArrayList<>();
        for (JsonNode event : TrainingFiles.metrics(output)) {
            if (event.has("grad_norm")) {
                int step = event.get("step").asInt();
                while (losses.size() >= step) {
                    losses.remove(losses.size() - 1);
                }
                losses.add(event.get("loss").asDouble());
            }
        }
        return losses;
    }
}
