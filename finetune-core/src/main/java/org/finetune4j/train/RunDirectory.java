package org.finetune4j.train;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.AdapterDirectory;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.group.Membership;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The output directory of a run: it belongs to one run, and to one process at a time. A run that starts there overwrites
 * nothing of an earlier one, and a resumed run takes away what a kill left half done.
 */
public final class RunDirectory implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(RunDirectory.class);
    private static final String LOCK = ".training.lock";

    /** What a run gives in the end, beside its checkpoints. */
    private static final List<String> RESULTS = List.of(
            AdapterDirectory.CONFIG,
            AdapterDirectory.WEIGHTS,
            "model.safetensors",
            "model.safetensors.index.json",
            BestModel.DIRECTORY);

    private final @Nullable Path lock;
    private final @Nullable FileChannel channel;

    private RunDirectory(@Nullable Path lock, @Nullable FileChannel channel) {
        this.lock = lock;
        this.channel = channel;
    }

    /**
     * Whether a run with these arguments may start in its output directory. Nothing is written.
     *
     * @param arguments of the run
     * @throws UserErrorException when it would overwrite an earlier run, or has nothing to resume
     */
    public static void check(TrainingArguments arguments) {
        Path output = arguments.outputDirectory();
        if (output == null) {
            return;
        }
        if (Files.exists(output) && !Files.isDirectory(output)) {
            throw new UserErrorException("output_dir " + output + " is no directory");
        }
        Path best = output.resolve(BestModel.DIRECTORY);
        if (Files.exists(best) && !Files.isDirectory(best)) {
            throw new UserErrorException(best + " is no directory, and the best model goes there: move it away");
        }
        CheckpointDirectory checkpoints = new CheckpointDirectory(output);
        Optional<Path> latest = checkpoints.latest();
        Optional<Path> foreign = checkpoints.anyNamedSo();
        if (latest.isEmpty() && foreign.isPresent()) {
            CheckpointManifest.read(foreign.get()); // says what is missing
        }
        if (arguments.resume() && latest.isEmpty()) {
            throw new UserErrorException("resume_from_checkpoint is true, but " + output
                    + " holds no checkpoint-STEP to go on from: leave it out to start a new run");
        }
        if (!arguments.resume() && latest.isPresent()) {
            throw new UserErrorException(output + " holds " + latest.get().getFileName()
                    + " of an earlier run: resume it (resume_from_checkpoint=true) or choose another directory");
        }
        if (!arguments.resume()) {
            refuseResults(output);
        }
    }

    /**
     * {@return whether a run in this directory could be resumed}
     *
     * @param output of the run
     */
    public static boolean holdsCheckpoint(Path output) {
        return new CheckpointDirectory(output).latest().isPresent();
    }

    /**
     * Takes away what a run left that ended before its first checkpoint, so that one can begin there. What was asked of others and kept
     * by its content, such as a teacher's answers, stays.
     *
     * @param output of the run
     */
    public static void clear(Path output) {
        RESULTS.forEach(name -> AtomicFiles.deleteTree(output.resolve(name)));
    }

    private static void refuseResults(Path output) {
        for (String name : RESULTS) {
            if (Files.exists(output.resolve(name))) {
                throw new UserErrorException(
                        output + " holds " + name + " of an earlier run: move it away or choose another directory");
            }
        }
    }

    /**
     * Takes the directory for a run, checks it and tidies it up: the first rank of a group does so for all.
     *
     * @param membership of the group
     * @throws UserErrorException when another process trains there, or for the reasons of {@link #check}
     */
    static RunDirectory enter(TrainingArguments arguments, Membership membership) {
        RunDirectory[] entered = {new RunDirectory(null, null)};
        membership.onFirst(others -> entered[0] = enter(arguments));
        return entered[0];
    }

    private static RunDirectory enter(TrainingArguments arguments) {
        Path output = arguments.outputDirectory();
        if (output == null) {
            return new RunDirectory(null, null);
        }
        check(arguments);
        RunDirectory entered = lock(output);
        try {
            CheckpointDirectory checkpoints = new CheckpointDirectory(output);
            checkpoints.recover();
            AtomicFiles.recover(output.resolve(BestModel.DIRECTORY));
            AtomicFiles.deleteAbandoned(output);
            return entered;
        } catch (RuntimeException | Error e) {
            entered.close();
            throw e;
        }
    }

    /**
     * Takes a directory for something that trains several times below it.
     *
     * @param output made where it is missing
     * @return is closed when it is done
     * @throws UserErrorException when the directory cannot be written, or another training runs there
     */
    public static RunDirectory lock(Path output) {
        Path file = output.resolve(LOCK);
        FileChannel channel = null;
        try {
            Files.createDirectories(output);
            channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            if (channel.tryLock() != null) {
                return new RunDirectory(file, channel);
            }
            channel.close();
        } catch (IOException e) {
            throw new UserErrorException("cannot write to output_dir " + output + ": " + Reasons.of(e), e);
        } catch (OverlappingFileLockException e) {
            closeQuietly(channel);
        }
        throw new UserErrorException(output + ": another training is running there: choose another directory");
    }

    private static void closeQuietly(@Nullable FileChannel channel) {
        if (channel != null) {
            try {
                channel.close();
            } catch (IOException e) {
                LOG.debug("cannot close a lock", e);
            }
        }
    }

    /** Lets the next run in. */
    @Override
    public void close() {
        if (lock != null) {
            try {
                Files.deleteIfExists(lock);
            } catch (IOException e) {
                LOG.debug("cannot delete {}", lock, e);
            }
        }
        closeQuietly(channel);
    }
}
