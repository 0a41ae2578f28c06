package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BiFunction;
import org.finetune4j.AtomicFiles;
import org.finetune4j.train.memory.ProcessMemory;
import org.jspecify.annotations.Nullable;

/** Runs commands on files that were made hostile and notes which of them did not end as they should. */
final class HostileCommands {

    /** Against work without an end; a case takes a tenth of a second. */
    private static final int SECONDS = 90;

    /** What one case may add to the largest size that the process has ever had. */
    private static final long BYTES = 700L << 20;

    /** Words of libraries that mean nothing to a user. */
    private static final List<String> FOREIGN =
            List.of("Exception", "c10", "at::", "java.", "jackson", "org.finetune4j", "libtorch", "Frame #");

    private final Path directory;
    private final int seed;
    private final List<String> faults = new ArrayList<>();
    private boolean ended;

    /**
     * @param directory where the commands write, into v, t, m and m.gguf
     * @param seed other numbers try other files
     */
    HostileCommands(Path directory, int seed) {
        this.directory = directory;
        this.seed = seed;
    }

    /** A file that is made hostile, how, and the commands that read it. */
    record Target(Path file, BiFunction<Mutations, byte[], byte[]> mutation, List<List<String>> commands) {}

    /** Every command must work on the good file, or its refusals would prove nothing. */
    void requireGood(Target target) throws Exception {
        for (List<String> command : target.commands()) {
            CommandRun good = run(command);
            assertEquals(0, good.exitCode(), command + ": " + good);
        }
    }

    /**
     * Tries the targets in turn.
     *
     * @param only the one case that is run, or -1 for all
     * @return how many files were refused
     */
    int attack(List<Target> targets, int cases, int only) throws Exception {
        int refused = 0;
        for (int i = 0; i < cases && !ended; i++) {
            Random random = new Random(seed * 1_000_003L + i);
            Target target = targets.get(i % targets.size());
            byte[] hostile = target.mutation().apply(new Mutations(random), Files.readAllBytes(target.file()));
            List<String> command =
                    target.commands().get(random.nextInt(target.commands().size()));
            if (only < 0 || i == only) {
                refused += attack(i, target, hostile, command);
            }
        }
        return refused;
    }

    /** Tries every hostile value for every key of a JSON file. */
    void sweep(Target target) throws Exception {
        List<byte[]> files = Mutations.each(Files.readAllBytes(target.file()));
        for (int i = 0; i < files.size() && !ended; i++) {
            attack(
                    i,
                    target,
                    files.get(i),
                    target.commands().get(i % target.commands().size()));
        }
    }

    void requireNoFaults() {
        assertTrue(faults.isEmpty(), faults.size() + " faults with seed " + seed + ":\n" + String.join("\n", faults));
    }

    /** Runs a command on a hostile file and puts the good one back; 1 when it was refused. */
    private int attack(int number, Target target, byte[] hostile, List<String> command) throws Exception {
        byte[] good = Files.readAllBytes(target.file());
        Files.write(target.file(), hostile);
        long peak = ProcessMemory.peakMegabytes();
        int exitCode = 0;
        String fault;
        try {
            CommandRun run = run(command);
            exitCode = run.exitCode();
            fault = fault(command.get(0), run, (ProcessMemory.peakMegabytes() - peak) << 20);
        } catch (TimeoutException e) {
            fault = "no end";
            ended = true;
        } finally {
            Files.write(target.file(), good);
        }
        if (fault != null) {
            faults.add("case " + number + ", " + target.file().getFileName() + ", " + command.get(0) + ": " + fault);
            keep(number, target, hostile);
        }
        return exitCode == 2 ? 1 : 0;
    }

    private CommandRun run(List<String> command) throws Exception {
        for (String written : List.of("v", "t", "m", "m.gguf")) {
            AtomicFiles.deleteTree(directory.resolve(written));
        }
        ExecutorService thread = Executors.newSingleThreadExecutor(task -> {
            Thread daemon = new Thread(task, "hostile");
            daemon.setDaemon(true);
            return daemon;
        });
        try {
            return thread.submit(() -> CommandRun.of(command.toArray(String[]::new)))
                    .get(SECONDS, TimeUnit.SECONDS);
        } finally {
            thread.shutdown();
        }
    }

    /** What is wrong with how a command ended, or null. */
    static @Nullable String fault(String command, CommandRun run, long bytes) {
        if (bytes > BYTES) {
            return "took " + (bytes >> 20) + " MiB";
        }
        if (run.exitCode() == 0) {
            return null;
        }
        List<String> errors = run.errors();
        // Only validate goes on after an error, to tell all of them.
        if (run.exitCode() != 2 || errors.size() != 1 && !command.equals("validate")) {
            return "exit code " + run.exitCode() + " with "
                    + shortened(run.err().toString());
        }
        for (String line : errors) {
            if (line.length() >= 2000 || line.chars().anyMatch(Character::isISOControl)) {
                return "no line that can be read: " + line.length() + " characters " + shortened(line);
            }
            if (FOREIGN.stream().anyMatch(line::contains)) {
                return "an error that is not ours: " + shortened(line);
            }
        }
        return null;
    }

    private static String shortened(String text) {
        return text.length() < 1500 ? text : text.substring(0, 750) + " ... " + text.substring(text.length() - 750);
    }

    /** Leaves the file where somebody can look at it, if a directory is given. */
    private void keep(int number, Target target, byte[] hostile) throws IOException {
        String kept = System.getProperty("finetune4j.hostile.keep");
        if (kept != null) {
            Files.createDirectories(Path.of(kept));
            Files.write(Path.of(kept, seed + "-" + number + "-" + target.file().getFileName()), hostile);
        }
    }
}
