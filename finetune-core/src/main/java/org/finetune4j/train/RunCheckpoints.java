package org.finetune4j.train;

import java.nio.file.Path;
import java.util.Optional;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.group.Membership;
import org.finetune4j.train.objective.SharedWork;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The checkpoints that one run writes, and the one that it goes on from; none without an output directory. */
final class RunCheckpoints {

    private static final Logger LOG = LoggerFactory.getLogger(RunCheckpoints.class);

    private final @Nullable CheckpointDirectory directory;
    private final Membership membership;
    private final int kept;
    private final boolean averages;
    private final String fingerprint;
    private final RunState state;
    private final BestModel best;
    private final TrainingListener listener;
    private long lastSaved = -1;

    RunCheckpoints(
            TrainingArguments arguments,
            Membership membership,
            String fingerprint,
            RunState state,
            BestModel best,
            TrainingListener listener) {
        Path output = arguments.outputDirectory();
        this.directory = output == null ? null : new CheckpointDirectory(output);
        this.membership = membership;
        this.kept = arguments.saveTotalLimit();
        this.averages = arguments.emaDecay() > 0;
        this.fingerprint = fingerprint;
        this.state = state;
        this.best = best;
        this.listener = listener;
    }

    /** The one to go on from. */
    Optional<Path> latest() {
        return directory == null ? Optional.empty() : directory.latest();
    }

    /** Brings the source of steps back to where a checkpoint left it, and says how far its run had come. */
    TrainingProgress reopen(Path checkpoint) {
        TrainingProgress progress = CheckpointDirectory.progressOf(checkpoint, fingerprint);
        CheckpointDirectory.restore(checkpoint, state.steps());
        return progress;
    }

    /** Makes sure that nothing of others lies where the run will write. */
    void requireRoom(long from, long to) {
        if (directory != null) {
            directory.requireRoom(from, to);
        }
    }

    /** Brings back all else that a checkpoint holds. */
    void restore(Path checkpoint) {
        CheckpointDirectory.restore(checkpoint, state, membership, averages);
        LOG.info("resuming from {}", checkpoint);
    }

    /** Nothing has to be saved until the run gets further. */
    void begin(long step) {
        lastSaved = step;
    }

    /** Saves the present state unless it is saved already. */
    void save(TrainingProgress progress) {
        if (directory == null || progress.step() == lastSaved) {
            return;
        }
        CheckpointDirectory target = directory;
        membership.onFirst(new SharedWork() {
            @Override
            public void first(Others others) {
                Path written = target.write(progress, fingerprint, state, membership, others, kept);
                best.checkpointed();
                listener.onCheckpoint(written, progress.step());
            }

            @Override
            public void other(Path partial) {
                CheckpointDirectory.writePart(partial, state, membership);
            }
        });
        lastSaved = progress.step();
    }

    /** Saves the state before the present step, and says where it is. */
    String saveBeforeStep(TrainingProgress progress) {
        save(progress);
        return directory == null || lastSaved <= 0 ? "" : "; the state before this step is in checkpoint-" + lastSaved;
    }

    /** Says where the last good state is, when the present one is lost. */
    String lastGood() {
        return lastSaved > 0 ? "; the last good state is in checkpoint-" + lastSaved : "";
    }
}
