package org.finetune4j.generate;

import java.util.Arrays;
import java.util.Comparator;

/** Processors that leave only some of the likeliest tokens. Each keeps at least {@code keep} tokens. */
final class Truncation {

    private Truncation() {}

    /** Leaves the {@code k} likeliest tokens, and those as likely as the last of them. */
    static LogitsProcessor topK(int k, int keep) {
        int count = Math.max(k, keep);
        return (sequence, scores) -> {
            if (count < scores.length) {
                removeBelow(scores, Scores.kthLargest(scores, count));
            }
        };
    }

    /** Leaves the fewest likeliest tokens whose probabilities together reach {@code p} (Holtzman et al. 2020). */
    static LogitsProcessor topP(double p, int keep) {
        return (sequence, scores) -> {
            double logSum = Scores.logSumExp(scores);
            // Tokens less likely than this cannot reach 1 - p together: they go in any case, and need no sorting.
            double negligible = logSum + Math.log((1 - p) / scores.length);
            float[] likely = scores.clone();
            if (keep == 1) {
                removeBelow(likely, (float) Math.min(negligible, scores[Scores.argmax(scores)]));
            }
            int[] order = Scores.descending(likely, Float.NEGATIVE_INFINITY);
            double reached = 0;
            int kept = 0;
            while (kept < order.length && (kept < keep || reached < p)) {
                reached += Math.exp(scores[order[kept++]] - logSum);
            }
            leave(scores, order, kept);
        };
    }

    /** Leaves tokens at least {@code p} times as likely as the likeliest. */
    static LogitsProcessor minP(double p, int keep) {
        return (sequence, scores) -> {
            double least = scores[Scores.argmax(scores)] + Math.log(p);
            if (keep > 1 && keep < scores.length) {
                least = Math.min(least, Scores.kthLargest(scores, keep));
            }
            removeBelow(scores, least);
        };
    }

    /** Leaves the tokens whose information is nearest to the expected one, until they reach {@code p} (Meister et al. 2022). */
    static LogitsProcessor typicalP(double p, int keep) {
        return (sequence, scores) -> {
            double logSum = Scores.logSumExp(scores);
            double entropy = 0;
            for (float score : scores) {
                if (score != Float.NEGATIVE_INFINITY) {
                    entropy -= (score - logSum) * Math.exp(score - logSum);
                }
            }
            double expected = entropy;
            Integer[] order = Arrays.stream(Scores.descending(scores, Float.NEGATIVE_INFINITY))
                    .boxed()
                    .sorted(Comparator.comparingDouble(token -> Math.abs(logSum - scores[token] - expected)))
                    .toArray(Integer[]::new);
            double reached = 0;
            int kept = 0;
            while (kept < order.length && (kept < keep || reached < p)) {
                reached += Math.exp(scores[order[kept++]] - logSum);
            }
            leave(scores, Arrays.stream(order).mapToInt(Integer::intValue).toArray(), kept);
        };
    }

    private static void removeBelow(float[] scores, double least) {
        for (int i = 0; i < scores.length; i++) {
            if (scores[i] < least) {
                scores[i] = Float.NEGATIVE_INFINITY;
            }
        }
    }

    private static void leave(float[] scores, int[] order, int kept) {
        float[] before = scores.clone();
        Arrays.fill(scores, Float.NEGATIVE_INFINITY);
        for (int i = 0; i < kept; i++) {
            scores[order[i]] = before[order[i]];
        }
    }
}
