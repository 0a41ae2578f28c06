package org.finetune4j.train;

import org.jspecify.annotations.Nullable;

/**
 * One evaluation on the held-out split.
 *
 * @param step optimizer steps done when it was made; 0 before training
 * @param loss cross entropy in nats, mean over all labelled tokens of the split
 * @param labelledTokens tokens of the split that carry a label
 * @param exactMatch share of the generated answers that equal the expected one, from 0 to 1, where it was measured
 */
public record EvaluationMetrics(
        long step,
        double loss,
        long labelledTokens,
        @Nullable Double exactMatch) {

    /** {@code exp(loss)}. */
    public double perplexity() {
        return Math.exp(loss);
    }
}
