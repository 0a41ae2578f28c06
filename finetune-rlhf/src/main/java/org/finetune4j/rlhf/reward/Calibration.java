package org.finetune4j.rlhf.reward;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.train.objective.ScoreTable;

/**
 * Whether a model is as sure as it is right. Of every pair it takes one answer for the better one, with the probability
 * {@code sigmoid(|difference of rewards|)}; of all that it says with 80%, it should be right in 80% (Guo et al. 2017).
 */
final class Calibration {

    private static final int BINS = 10;

    private final long[] counts = new long[BINS];
    private final double[] sure = new double[BINS];
    private final double[] right = new double[BINS];

    /** Adds a pair: the reward of the answer that people preferred less that of the other. */
    void add(double difference) {
        double confidence = 1 / (1 + Math.exp(-Math.abs(difference)));
        // From an even chance to certainty: no answer is taken for the better one with less.
        int bin = (int) Math.min(BINS - 1, Math.max(0, (confidence - 0.5) * 2 * BINS));
        counts[bin]++;
        sure[bin] += confidence;
        right[bin] += difference > 0 ? 1 : difference == 0 ? 0.5 : 0;
    }

    /** The mean over pairs of how far confidence and share of right answers are apart in their bin. */
    double expectedError() {
        long all = 0;
        double error = 0;
        for (int bin = 0; bin < BINS; bin++) {
            all += counts[bin];
            error += Math.abs(sure[bin] - right[bin]);
        }
        return error / Math.max(1, all);
    }

    /** The bins that have pairs, from the least to the most confident. */
    ScoreTable table() {
        List<List<Double>> rows = new ArrayList<>();
        for (int bin = 0; bin < BINS; bin++) {
            if (counts[bin] > 0) {
                double count = counts[bin];
                rows.add(List.of(
                        0.5 + 0.5 * bin / BINS,
                        0.5 + 0.5 * (bin + 1) / BINS,
                        count,
                        sure[bin] / count,
                        right[bin] / count));
            }
        }
        return new ScoreTable(
                "Calibration of the preferred answer",
                List.of("confidence from", "to", "pairs", "mean confidence", "share right"),
                rows);
    }
}
