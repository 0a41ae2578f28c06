package org.finetune4j.dist.communicator.mpi;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Starts a class of the test class path as several processes. */
final class Mpirun {

    private static final int LONGEST_SECONDS = 100;

    /**
     * How processes ended.
     *
     * @param exitCode of mpirun
     * @param lines of all, as they came
     */
    record Outcome(int exitCode, List<String> lines) {

        /** The first line that begins with a text, without that. */
        String after(String start) {
            return lines.stream()
                    .filter(line -> line.startsWith(start))
                    .map(line -> line.substring(start.length()))
                    .findFirst()
                    .orElse("");
        }

        /** All in one text. */
        String text() {
            return String.join("\n", lines);
        }
    }

    private Mpirun() {}

    /** Skips a test where Open MPI is not installed. */
    static void assumeInstalled() {
        boolean installed = Arrays.stream(System.getenv("PATH").split(":"))
                .anyMatch(directory -> Files.isExecutable(Path.of(directory, "mpirun")));
        assumeTrue(installed, "Open MPI is not installed");
    }

    static Outcome run(int ranks, Class<?> main, String... arguments) {
        List<String> command = new ArrayList<>(List.of("mpirun", "--allow-run-as-root", "--oversubscribe", "-np"));
        command.add(String.valueOf(ranks));
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("-Xmx300m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"));
        command.add(System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")));
        command.add(main.getName());
        command.addAll(List.of(arguments));
        try {
            Path output = Files.createTempFile("mpirun", ".log");
            ProcessBuilder builder =
                    new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output.toFile());
            builder.environment().put("OMP_NUM_THREADS", "1");
            Process process = builder.start();
            boolean ended = process.waitFor(LONGEST_SECONDS, TimeUnit.SECONDS);
            process.destroyForcibly();
            String text = new String(Files.readAllBytes(output), StandardCharsets.UTF_8);
            Files.delete(output);
            assertTrue(ended, "no end after " + LONGEST_SECONDS + " s: " + text);
            return new Outcome(process.exitValue(), text.lines().toList());
        } catch (IOException e) {
            throw new AssertionError(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }
}
