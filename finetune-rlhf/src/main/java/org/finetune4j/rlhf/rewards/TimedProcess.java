package org.finetune4j.rlhf.rewards;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.finetune4j.FinetuneException;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

/** A program that is run for a time at most, without this process's environment but {@code PATH}, and ended with all it started. */
final class TimedProcess {

    private static final int MOST_OUTPUT = 1 << 16;

    /** What a program did: its exit code and the beginning of its output; no code where its time was over. */
    record Outcome(Optional<Integer> exitCode, String output) {}

    private TimedProcess() {}

    /**
     * @throws UserErrorException when the program cannot be started
     */
    static Outcome run(List<String> command, Path directory, byte[] input, Duration limit) {
        ProcessBuilder builder =
                new ProcessBuilder(command).directory(directory.toFile()).redirectErrorStream(true);
        String path = System.getenv("PATH");
        builder.environment().clear();
        builder.environment().putAll(path == null ? Map.of() : Map.of("PATH", path));
        Process process;
        try {
            process = builder.start();
        } catch (IOException e) {
            throw new UserErrorException(
                    "cannot run " + Reasons.excerpt(String.join(" ", command)) + ": " + Reasons.of(e), e);
        }
        try {
            StringBuilder output = new StringBuilder();
            Thread reader = daemon(() -> drain(process.getInputStream(), output));
            daemon(() -> feed(process.getOutputStream(), input));
            boolean ended = process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS);
            end(process);
            reader.join(1000);
            synchronized (output) {
                return new Outcome(ended ? Optional.of(process.exitValue()) : Optional.empty(), output.toString());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new FinetuneException("interrupted while a program scored an answer", e);
        } finally {
            end(process);
        }
    }

    private static void end(Process process) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
    }

    private static Thread daemon(Runnable work) {
        Thread thread = new Thread(work, "finetune4j-reward-program");
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    /** Reads all, so that the program never waits, and keeps the beginning. */
    private static void drain(InputStream stream, StringBuilder output) {
        byte[] bytes = new byte[8192];
        try (stream) {
            for (int count = stream.read(bytes); count >= 0; count = stream.read(bytes)) {
                synchronized (output) {
                    int kept = Math.min(count, MOST_OUTPUT - output.length());
                    output.append(new String(bytes, 0, Math.max(0, kept), StandardCharsets.UTF_8));
                }
            }
        } catch (IOException e) {
            // The program was ended while it wrote.
        }
    }

    private static void feed(OutputStream stream, byte[] input) {
        try (stream) {
            stream.write(input);
        } catch (IOException e) {
            // The program does not want to read all of it.
        }
    }
}
