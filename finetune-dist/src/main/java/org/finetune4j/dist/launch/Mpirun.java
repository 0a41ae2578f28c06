package org.finetune4j.dist.launch;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.finetune4j.FinetuneException;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * Runs one command on every rank, by Open MPI's mpirun, and hears what the ranks say. Settings of Open MPI itself come from the
 * environment, as {@code OMPI_MCA_...}.
 */
public final class Mpirun {

    private static final String AGENT = "OMPI_MCA_plm_rsh_agent";
    private static final int USER_ERROR = 2;

    /** Longer than a rank takes that was told to end. */
    private static final long PATIENCE_SECONDS = 25;

    /** As long as a rank usually takes; who is not done then may be on a host that is gone, for which mpirun waits for ever. */
    private static final long USUAL_SECONDS = 8;

    private final List<String> command;
    private final PrintStream out;
    private final PrintStream err;
    private final Map<String, String> environment = new HashMap<>();
    private @Nullable Path directory;
    private @Nullable Process running;
    private boolean stopped;

    /**
     * A command that every rank is.
     *
     * @param command the program with its arguments
     * @param out where what ranks write to their standard output goes
     * @param err where the rest goes, but for {@link RankReport}s
     */
    public Mpirun(List<String> command, PrintStream out, PrintStream err) {
        this.command = List.copyOf(command);
        this.out = out;
        this.err = err;
    }

    /**
     * Sets variables of mpirun's environment, beside those of this process.
     *
     * @param variables names and values
     * @return this
     */
    public Mpirun environment(Map<String, String> variables) {
        environment.putAll(variables);
        return this;
    }

    /**
     * Sets where ranks begin.
     *
     * @param workingDirectory of mpirun, and of ranks on hosts that have it
     * @return this
     */
    public Mpirun directory(Path workingDirectory) {
        this.directory = workingDirectory;
        return this;
    }

    /** Ends all ranks; another thread waits in {@link #run}, which then says that they failed. */
    public void stop() {
        synchronized (environment) {
            boolean first = !stopped;
            stopped = true;
            if (first && running != null) {
                running.destroy();
                endLater(running, List.of());
            }
        }
    }

    private Process start(ProcessBuilder builder) throws IOException {
        synchronized (environment) {
            if (stopped) {
                throw new FinetuneException("stopped before the ranks were started");
            }
            running = builder.start();
            return running;
        }
    }

    /**
     * How mpirun ended.
     *
     * @param exitCode 0 when all ranks are done
     * @param message why it failed; empty when it did not
     */
    public record Outcome(int exitCode, String message) {

        /** {@return whether it would fail again, since what was asked for is wrong} */
        public boolean isUserError() {
            return exitCode == USER_ERROR;
        }
    }

    /**
     * Looks for mpirun.
     *
     * @throws UserErrorException when it is not there; the message names the package
     */
    public static void require() {
        if (!isInstalled()) {
            throw new UserErrorException(
                    "mpirun is not on the PATH, which starts the ranks: install openmpi-bin (apt-get"
                            + " install openmpi-bin), or train with threads: --local");
        }
    }

    /** {@return whether mpirun is on the PATH} */
    public static boolean isInstalled() {
        String path = System.getenv().getOrDefault("PATH", "");
        return Arrays.stream(path.split(":"))
                .filter(directory -> !directory.isEmpty())
                .anyMatch(directory -> Files.isExecutable(Path.of(directory, "mpirun")));
    }

    /** {@return the command that runs others on a host, which mpirun uses too} */
    public static List<String> agent() {
        String named = System.getenv(AGENT);
        return named != null && !named.isBlank()
                ? List.of(named.strip().split("\\s+"))
                : List.of("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10");
    }

    /**
     * Runs all ranks, to the end of the last.
     *
     * @param ranks how many
     * @param hosts where; none for this host
     * @return how it ended
     */
    public Outcome run(int ranks, List<Host> hosts) {
        ProcessBuilder builder = new ProcessBuilder(arguments(ranks, hosts));
        builder.redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()));
        builder.environment().putAll(environment);
        if (directory != null) {
            builder.directory(directory.toFile());
        }
        List<RankReport> reports = new ArrayList<>();
        try {
            Process process = start(builder);
            Thread hook = new Thread(process::destroy, "finetune4j-mpirun");
            Runtime.getRuntime().addShutdownHook(hook);
            Thread output = new Thread(() -> copy(process.inputReader(StandardCharsets.UTF_8), out), "mpirun output");
            output.start();
            try (BufferedReader lines = process.errorReader(StandardCharsets.UTF_8)) {
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    Optional<RankReport> report = RankReport.parse(line);
                    if (report.isPresent() && reports.isEmpty()) {
                        endLater(process, hosts);
                    }
                    report.ifPresent(reports::add);
                    if (report.isEmpty()) {
                        err.println(line);
                    }
                }
            }
            int exitCode = process.waitFor();
            output.join();
            removeHook(hook);
            return outcome(exitCode, reports);
        } catch (IOException e) {
            throw new UserErrorException("mpirun cannot be started: " + Reasons.of(e), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new FinetuneException("interrupted while ranks were running", e);
        }
    }

    /** mpirun waits for hosts that cannot be reached any more; once a rank has said why it ends, nothing is to come. */
    private static void endLater(Process process, List<Host> hosts) {
        Thread end = new Thread(
                () -> {
                    try {
                        if (!process.waitFor(USUAL_SECONDS, TimeUnit.SECONDS)
                                && (isOneGone(hosts)
                                        || !process.waitFor(PATIENCE_SECONDS - USUAL_SECONDS, TimeUnit.SECONDS))) {
                            process.descendants().forEach(ProcessHandle::destroyForcibly);
                            process.destroyForcibly();
                        }
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                },
                "finetune4j-mpirun-end");
        end.setDaemon(true);
        end.start();
    }

    /** Whether a host cannot be reached; not known in time is as good as gone. */
    private static boolean isOneGone(List<Host> hosts) {
        List<String> agent = agent();
        return CompletableFuture.supplyAsync(() -> hosts.parallelStream()
                        .anyMatch(host -> host.problem(agent).isPresent()))
                .completeOnTimeout(true, PATIENCE_SECONDS - USUAL_SECONDS, TimeUnit.SECONDS)
                .join();
    }

    private static void removeHook(Thread hook) {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // The process is ending: the hook does what it is for.
        }
    }

    private static void copy(BufferedReader from, PrintStream to) {
        from.lines().forEach(to::println);
    }

    private List<String> arguments(int ranks, List<Host> hosts) {
        List<String> all = new ArrayList<>(List.of("mpirun", "--quiet", "-np", String.valueOf(ranks)));
        if (isRoot()) {
            all.add("--allow-run-as-root");
        }
        int slots = hosts.isEmpty()
                ? Runtime.getRuntime().availableProcessors()
                : hosts.stream().mapToInt(Host::slots).sum();
        if (ranks > slots || hosts.isEmpty()) {
            all.add("--oversubscribe");
        }
        // Ranks have threads of their own: one core each would be too little.
        all.addAll(List.of("--bind-to", "none"));
        if (!hosts.isEmpty()) {
            all.add("--host");
            all.add(String.join(
                    ",",
                    hosts.stream().map(host -> host.name() + ":" + host.slots()).toList()));
        }
        all.addAll(command);
        return all;
    }

    private static boolean isRoot() {
        return "root".equals(System.getProperty("user.name"));
    }

    /** What a user can change comes first, then why a rank failed; the others only say that one did. */
    private static Outcome outcome(int exitCode, List<RankReport> reports) {
        if (exitCode == 0 && reports.isEmpty()) {
            return new Outcome(0, "");
        }
        Optional<RankReport> reason = reports.stream()
                .min(Comparator.comparing((RankReport report) -> report.exitCode() != USER_ERROR)
                        .thenComparing(RankReport::rank));
        return reason.map(report -> new Outcome(report.exitCode(), report.message()))
                .orElseGet(() -> new Outcome(1, "a rank ended without a word, mpirun with code " + exitCode));
    }
}
