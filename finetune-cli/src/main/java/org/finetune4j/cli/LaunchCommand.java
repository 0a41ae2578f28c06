package org.finetune4j.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import org.finetune4j.FinetuneException;
import org.finetune4j.Reasons;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.communicator.LocalRanks;
import org.finetune4j.dist.launch.Host;
import org.finetune4j.dist.launch.Mpirun;
import org.finetune4j.dist.launch.RankProgram;
import org.finetune4j.dist.mesh.MeshShape;
import org.finetune4j.train.RunDirectory;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Runs the training of a configuration on several ranks. */
@Command(
        name = "launch",
        mixinStandardHelpOptions = true,
        description =
                "Runs the training of a configuration on several ranks, with the files and numbers of ./finetune train:"
                        + " processes that mpirun starts, or threads.")
final class LaunchCommand implements Callable<Integer> {

    private static final int MOST_RANKS = 1 << 14;

    @Option(names = "--nproc", required = true, paramLabel = "N", description = "How many ranks.")
    private int ranks;

    @Option(
            names = "--hosts",
            paramLabel = "FILE",
            description = "Where: lines such as node1 slots=8. They share output_dir.")
    private @Nullable Path hostFile;

    @Option(
            names = "--mesh",
            paramLabel = "dp=2,tp=2,pp=1,ep=1",
            description = "Sizes of the axes; dp is what the others leave over.")
    private @Nullable String mesh;

    @Option(names = "--local", description = "Threads of this process in place of processes.")
    private boolean local;

    @Option(
            names = "--max-restarts",
            defaultValue = "0",
            description =
                    "How often to go on from the last checkpoint, with the hosts that are left, after a rank has died"
                            + " (default: ${DEFAULT-VALUE}).")
    private int maxRestarts;

    @Option(
            names = "--timeout",
            defaultValue = "600",
            paramLabel = "SECONDS",
            description = "How long a rank waits for another before all end (default: ${DEFAULT-VALUE}).")
    private int timeout;

    @Parameters(index = "0", paramLabel = "train", description = "What every rank does.")
    private String command;

    @Parameters(index = "1", paramLabel = "CONFIG.yaml", description = "The training's configuration.")
    private Path file;

    @Parameters(index = "2..*", paramLabel = "key=value", description = "Values that go before those in the file.")
    private List<String> overrides = new ArrayList<>();

    @Override
    public Integer call() {
        if (!command.equals("train")) {
            throw new UserErrorException(
                    "'" + command + "' is not started on several ranks" + Suggestions.among(command, List.of("train")));
        }
        atLeast("--nproc", ranks, 1);
        atLeast("--max-restarts", maxRestarts, 0);
        atLeast("--timeout", timeout, 1);
        Settings settings = TrainingConfig.read(file, overrides);
        if (PipelineSettings.isPipeline(settings)) {
            return row(PipelineSettings.of(settings));
        }
        ContinualSettings.refuse(settings);
        TrainingSettings training = TrainingSettings.of(settings);
        MeshShape shape = training.parallel().shape(mesh, ranks);
        training.data().requireFiles();
        RunDirectory.check(training.arguments());
        OutputDirectory.check(training.outputDirectory());
        requireMeans();
        OptionalLong stopped = train(training, shape, null);
        if (stopped.isPresent()) {
            System.err.println(
                    "stopped after step " + stopped.getAsLong() + "; go on with resume_from_checkpoint=true");
            return Main.FAILURE;
        }
        System.out.println(training.outputDirectory());
        return 0;
    }

    private void requireMeans() {
        if (!local) {
            Mpirun.require();
        } else if (hostFile != null || maxRestarts > 0) {
            throw new UserErrorException(
                    "--local runs threads of this process: --hosts and --max-restarts are for processes");
        }
    }

    /** Trainings in a row: each is launched by itself, and what the next one goes on from is written in between. */
    private int row(PipelineSettings settings) {
        settings.stages().forEach(stage -> stage.training().parallel().shape(mesh, ranks));
        requireMeans();
        Pipeline pipeline = new Pipeline(settings, (stage, training) -> {
            MeshShape shape = training.parallel().shape(mesh, ranks);
            boolean complete = train(training, shape, stage.name()).isEmpty();
            if (complete && stage.leavesAdapter()) {
                stage.writeModel();
            }
            return complete;
        });
        if (!pipeline.run()) {
            System.err.println("stopped; the same command goes on");
            return Main.FAILURE;
        }
        System.out.println(settings.outputDirectory());
        return 0;
    }

    /**
     * Trains on all ranks.
     *
     * @param stage which of several trainings in a row, or null
     * @return the step after which it was asked to stop; empty when it is complete
     */
    private OptionalLong train(TrainingSettings training, MeshShape shape, @Nullable String stage) {
        boolean resumes = training.arguments().resume();
        if (!local) {
            processes(training.outputDirectory(), shape, resumes, stage);
            return OptionalLong.empty();
        }
        StageRun run = LocalRanks.call(ranks, Duration.ofSeconds(timeout), world -> new RankTraining(
                                TrainingConfig.read(file, overrides), RankTraining.of(stage, resumes), mesh, world)
                        .train())
                .get(0);
        return run.summary().interrupted() ? OptionalLong.of(run.summary().steps()) : OptionalLong.empty();
    }

    private void processes(Path output, MeshShape shape, boolean resumes, @Nullable String stage) {
        List<Host> hosts = hostFile == null ? List.of() : Host.read(hostFile);
        for (Host host : hosts) {
            Optional<String> problem = host.problem(Mpirun.agent());
            if (problem.isPresent()) {
                throw new UserErrorException(
                        hostFile + ": host " + host.name() + " cannot be reached: " + problem.get());
            }
        }
        if (!hosts.isEmpty() && slots(hosts) < ranks) {
            System.err.println(hostFile + ": " + slots(hosts) + " slots for " + ranks
                    + " ranks, which share them: slots=N behind a host says how many it takes");
        }
        requireLogs(output);
        int size = ranks;
        boolean resume = resumes;
        for (int restarts = 0; ; restarts++) {
            String sizes = mesh == null
                    ? null
                    : new MeshShape(
                                    size / (shape.tensor() * shape.pipeline()),
                                    shape.pipeline(),
                                    shape.tensor(),
                                    shape.expert())
                            .toString();
            Mpirun.Outcome outcome =
                    new Mpirun(rankCommand(resume, sizes, stage), System.out, System.err).run(size, hosts);
            if (outcome.exitCode() == 0) {
                return;
            }
            if (outcome.isUserError()) {
                throw new UserErrorException(outcome.message());
            }
            if (restarts >= maxRestarts) {
                boolean hasMore = RunDirectory.holdsCheckpoint(output)
                        && !outcome.message().contains("resume_from_checkpoint=true");
                throw new FinetuneException(
                        outcome.message() + (hasMore ? "; go on with resume_from_checkpoint=true" : ""));
            }
            hosts = reachable(hosts);
            size = sizeFor(hosts, shape);
            resume = RunDirectory.holdsCheckpoint(output);
            System.err.println("restart " + (restarts + 1) + " of " + maxRestarts + " with " + size + " ranks from "
                    + (resume ? "the last checkpoint" : "the beginning") + ": " + outcome.message());
        }
    }

    private static List<Host> reachable(List<Host> hosts) {
        List<Host> left = hosts.stream()
                .filter(host -> host.problem(Mpirun.agent()).isEmpty())
                .toList();
        if (left.isEmpty() && !hosts.isEmpty()) {
            throw new FinetuneException("no host can be reached any more");
        }
        hosts.stream()
                .filter(host -> !left.contains(host))
                .forEach(host -> System.err.println("host " + host.name() + " cannot be reached any more: without it"));
        return left;
    }

    private static int slots(List<Host> hosts) {
        return hosts.stream().mapToInt(Host::slots).sum();
    }

    /** As many ranks as there is room for, in whole copies of the model. */
    private int sizeFor(List<Host> hosts, MeshShape shape) {
        int copy = shape.tensor() * shape.pipeline() * shape.expert();
        int room = hosts.isEmpty() ? ranks : slots(hosts);
        int copies = Math.min(ranks, room) / copy;
        if (copies == 0) {
            throw new FinetuneException("the hosts that are left have room for " + room + " ranks, and mesh " + shape
                    + " needs " + copy + " at least");
        }
        return copies * copy;
    }

    /** This program, as it was started, in the part of a rank. */
    private List<String> rankCommand(boolean resume, @Nullable String sizes, @Nullable String stage) {
        List<String> java = List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"));
        List<String> arguments = new ArrayList<>(List.of("--timeout", String.valueOf(timeout)));
        if (sizes != null) {
            arguments.addAll(List.of("--mesh", sizes));
        }
        if (stage != null) {
            arguments.addAll(List.of("--stage", stage));
            if (resume) {
                arguments.add("--restarted");
            }
        }
        arguments.add(file.toString());
        arguments.addAll(overrides);
        if (resume && stage == null) {
            arguments.add("resume_from_checkpoint=true");
        }
        return RankProgram.command(java, arguments);
    }

    /** Where a rank writes what it says. */
    static Path log(Path output, int rank) {
        return output.resolve("logs").resolve("rank-" + rank + ".log");
    }

    static void requireLogs(Path output) {
        try {
            Files.createDirectories(log(output, 0).getParent());
        } catch (IOException e) {
            throw new UserErrorException("cannot write to " + output + ": " + Reasons.of(e), e);
        }
    }

    private static void atLeast(String option, int value, int minimum) {
        if (value < minimum || value > MOST_RANKS) {
            throw new UserErrorException(option + " is " + value + ", expected " + minimum + " to " + MOST_RANKS);
        }
    }
}
