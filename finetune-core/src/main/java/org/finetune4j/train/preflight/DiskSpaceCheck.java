package org.finetune4j.train.preflight;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.finetune4j.Reasons;

/** What the run writes fits the disk: checkpoints with the one that is being written, the best model, the result. */
public final class DiskSpaceCheck implements PreflightCheck {

    @Override
    public void check(PreflightContext context, Findings findings) {
        Path output = context.arguments().outputDirectory();
        if (output == null) {
            return;
        }
        long model = context.method().equals("full")
                ? context.memory().weights()
                : context.memory().gradients();
        long checkpoint = model + context.memory().optimizerState();
        long needed = (context.arguments().saveTotalLimit() + 1L) * checkpoint + 2 * model;
        try {
            long free = Files.getFileStore(existing(output)).getUsableSpace();
            if (free < needed) {
                findings.error("output_dir " + output + ": the run writes up to " + (needed >> 20) + " MB, "
                        + (free >> 20) + " MB are free; make room, lower save_total_limit, or choose another disk");
            }
        } catch (IOException e) {
            findings.warning("cannot tell how much room output_dir " + output + " has: " + Reasons.of(e));
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
