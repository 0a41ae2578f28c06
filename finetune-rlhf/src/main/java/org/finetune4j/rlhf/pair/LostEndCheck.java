package org.finetune4j.rlhf.pair;

import org.finetune4j.data.TrainingDataset;
import org.finetune4j.train.preflight.Findings;
import org.finetune4j.train.preflight.PreflightCheck;
import org.finetune4j.train.preflight.PreflightContext;

/** Answers keep their end: one that is cut off is judged by, or taught as, something that nobody wrote. */
public final class LostEndCheck implements PreflightCheck {

    private static final int SAMPLES = 512;

    private final TrainingDataset samples;

    /**
     * Looks at a training's samples.
     *
     * @param samples of pairs; others are not looked at
     */
    public LostEndCheck(TrainingDataset samples) {
        this.samples = samples;
    }

    @Override
    public void check(PreflightContext context, Findings findings) {
        if (!(samples instanceof PairDataset pairs)) {
            return;
        }
        int looked = Math.min(SAMPLES, pairs.size());
        int lost = 0;
        String first = "";
        for (int i = 0; i < looked; i++) {
            int index = (int) ((long) i * pairs.size() / looked);
            if (pairs.losesItsEnd(index)) {
                first = lost == 0 ? pairs.location(index) : first;
                lost++;
            }
        }
        if (lost > 0) {
            findings.warning(first + ": an answer is cut off at max_length and loses its end token (" + lost + " of "
                    + looked + " pairs looked at): raise max_length, or set truncation to left or drop");
        }
    }
}
