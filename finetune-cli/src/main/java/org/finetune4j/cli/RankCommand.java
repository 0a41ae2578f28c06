package org.finetune4j.cli;

import java.io.FileNotFoundException;
import java.io.FileOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.Callable;
import org.finetune4j.FinetuneException;
import org.finetune4j.Reasons;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.launch.RankReport;
import org.finetune4j.dist.ranks.ProcessRank;
import org.finetune4j.dist.ranks.Ranks;
import org.finetune4j.train.RunDirectory;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** One process of a training that {@link LaunchCommand}, or finetune-spark, started. */
@Command(name = "rank", hidden = true, description = "One process of a training; ./finetune launch starts it.")
final class RankCommand implements Callable<Integer> {

    @Option(names = "--mesh", description = "Sizes of the axes.")
    private @Nullable String mesh;

    @Option(names = "--timeout", defaultValue = "600", description = "Seconds that a rank waits for another.")
    private int timeout;

    @Option(names = "--restarted", description = "Goes on from the last checkpoint, where there is one.")
    private boolean restarted;

    @Option(names = "--stage", description = "Which of several trainings in a row.")
    private @Nullable String stage;

    @Mixin
    private ConfigArguments config;

    @Override
    public Integer call() {
        ProcessRank process = ProcessRank.current();
        PrintStream starter = System.err;
        PrintStream log = starter;
        try {
            Settings settings = config.settings();
            Path output = stage == null
                    ? settings.path("output_dir")
                    : PipelineSettings.of(settings).named(stage).training().outputDirectory();
            OutputDirectory.check(output);
            LaunchCommand.requireLogs(output);
            boolean resumes = restarted && RunDirectory.holdsCheckpoint(output);
            Settings own = resumes && stage == null ? config.settings("resume_from_checkpoint=true") : settings;
            log = log(output, process.rank());
            // What a rank says goes into its file; the first one speaks for all.
            System.setErr(
                    process.rank() == 0
                            ? new PrintStream(new TwoStreams(log, starter), true, StandardCharsets.UTF_8)
                            : log);
            StageRun[] run = new StageRun[1];
            Ranks.run(
                    Duration.ofSeconds(timeout),
                    world -> run[0] = new RankTraining(own, RankTraining.of(stage, resumes), mesh, world).train());
            if (run[0].summary().interrupted()) {
                return ended(
                        starter,
                        log,
                        process,
                        Main.FAILURE,
                        "stopped after step " + run[0].summary().steps() + "; go on with resume_from_checkpoint=true");
            }
            return 0;
        } catch (RuntimeException e) {
            if (log != starter && !(e instanceof UserErrorException)) {
                e.printStackTrace(log);
            }
            String message = e instanceof FinetuneException ? String.valueOf(e.getMessage()) : Reasons.of(e);
            int exitCode = e instanceof UserErrorException ? Main.USAGE : Main.FAILURE;
            return ended(starter, log, process, exitCode, Reasons.line(message));
        }
    }

    private static int ended(PrintStream starter, PrintStream log, ProcessRank process, int exitCode, String message) {
        if (log != starter) {
            log.println(message);
        }
        starter.println(new RankReport(process.rank(), exitCode, message).line());
        starter.flush();
        return exitCode;
    }

    private static PrintStream log(Path output, int rank) {
        Path file = LaunchCommand.log(output, rank);
        try {
            return new PrintStream(new FileOutputStream(file.toFile(), true), true, StandardCharsets.UTF_8);
        } catch (FileNotFoundException e) {
            throw new UserErrorException("cannot write " + file + ": " + Reasons.of(e), e);
        }
    }

    /** Writes the same to both. */
    private static final class TwoStreams extends OutputStream {

        private final PrintStream first;
        private final PrintStream second;

        TwoStreams(PrintStream first, PrintStream second) {
            this.first = first;
            this.second = second;
        }

        @Override
        public void write(int value) {
            first.write(value);
            second.write(value);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) {
            first.write(bytes, offset, length);
            second.write(bytes, offset, length);
        }

        @Override
        public void flush() {
            first.flush();
            second.flush();
        }
    }
}
