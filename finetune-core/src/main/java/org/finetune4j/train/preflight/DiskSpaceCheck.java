package org.finetune4j.train.preflight;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.finetune4j.Reasons;
import org.finetune4j.train.arguments.OffloadOptions;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.memory.MemoryPlan;
import org.finetune4j.train.optimizer.OptimizerOptions;
import org.finetune4j.train.optimizer.OptimizerProvider;

/**
 * What the run writes fits the disk: checkpoints with the one that is being written, the best model, the result, and
 * optimizer states that are kept in files.
 */
public final class DiskSpaceCheck implements PreflightCheck {

    private final FreeSpace freeSpace;

    /** Tells how many bytes are free where a directory lies. */
    @FunctionalInterface
    interface FreeSpace {
        long of(Path directory) throws IOException;
    }

    /** Asks the file system. */
    public DiskSpaceCheck() {
        this(directory -> Files.getFileStore(directory).getUsableSpace());
    }

    DiskSpaceCheck(FreeSpace freeSpace) {
        this.freeSpace = freeSpace;
    }

    @Override
    public void check(PreflightContext context, Findings findings) {
        Path output = context.arguments().outputDirectory();
        if (output != null) {
            check(
                    "output_dir",
                    output,
                    written(context),
                    "make room, lower save_total_limit, or choose another disk",
                    findings);
        }
        OptimizerOptions optimizer = context.arguments().optimizer();
        Optional<Path> states = OptimizerProvider.named(optimizer.name()).stateDirectory(optimizer);
        states.ifPresent(directory -> check(
                "optim " + optimizer.name() + " in",
                directory,
                context.memory().optimizerState(),
                "make room, or name another disk as optim_args: {directory: ...}",
                findings));
        checkOffload(context, findings);
    }

    private void checkOffload(PreflightContext context, Findings findings) {
        OffloadOptions offload = context.arguments().offload();
        MemoryPlan memory = context.memory();
        String remedy = "make room, or name another disk";
        if (offload.optimizer() != null) {
            check(
                    "offload_optimizer",
                    offload.optimizer(),
                    memory.optimizerState() + memory.masters(),
                    remedy,
                    findings);
        }
        if (offload.parameters() != null) {
            check("offload_param", offload.parameters(), memory.weights(), remedy, findings);
        }
    }

    /** Bytes that are in the output directory at one time. */
    private static long written(PreflightContext context) {
        MemoryPlan memory = context.memory();
        TrainingArguments arguments = context.arguments();
        long model = context.method().equals("full") ? memory.weights() : memory.gradients();
        long checkpoint = model + memory.optimizerState() + memory.masters() + memory.average();
        // The best model, the one that the latest checkpoint refers to, and the one that is being written or the
        // result.
        // Of all checkpoints nobody knows how many there will be: one, and the next while it is written.
        long kept = arguments.saveTotalLimit() == Integer.MAX_VALUE ? 1 : arguments.saveTotalLimit();
        return (kept + 1) * checkpoint + 3 * model;
    }

    private void check(String what, Path directory, long needed, String remedy, Findings findings) {
        try {
            long free = freeSpace.of(existing(directory));
            if (free < needed) {
                findings.error(what + " " + directory + ": the run writes up to " + ((needed + (1 << 20) - 1) >> 20)
                        + " MB, " + (free >> 20) + " MB are free; " + remedy);
            }
        } catch (IOException e) {
            findings.warning("cannot tell how much room " + what + " " + directory + " has: " + Reasons.of(e));
        }
    }

    private static Path existing(Path path) {
        Path place = path.toAbsolutePath();
        while (!Files.exists(place) && place.getParent() != null) {
            place = place.getParent();
        }
        return place;
    }
}
