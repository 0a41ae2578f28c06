package org.finetune4j.peft.auto;

import java.util.List;

/** The candidates that no other one beats in everything: held-out loss, memory and trainable parameters. */
final class ParetoFront {

    private ParetoFront() {}

    /** Those of {@code all} that were scored and that none is better than in one respect and no worse in the others. */
    static List<Standing> of(List<Standing> all) {
        List<Standing> scored =
                all.stream().filter(one -> one.loss().isPresent()).toList();
        return scored.stream()
                .filter(one -> scored.stream().noneMatch(other -> dominates(other, one)))
                .toList();
    }

    private static boolean dominates(Standing a, Standing b) {
        double lossA = a.loss().orElseThrow();
        double lossB = b.loss().orElseThrow();
        boolean noWorse = lossA <= lossB && a.peakBytes() <= b.peakBytes() && a.trainable() <= b.trainable();
        boolean better = lossA < lossB || a.peakBytes() < b.peakBytes() || a.trainable() < b.trainable();
        return noWorse && better;
    }
}
