package org.finetune4j.train;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One evaluation on the held-out split.
 *
 * @param step optimizer steps done when it was made; 0 before training
 * @param loss cross entropy in nats, mean over all labelled tokens of the split
 * @param labelledTokens tokens of the split that carry a label
 * @param exactMatch share of the generated answers that equal the expected one, from 0 to 1, where it was measured
 * @param scores other metrics of generated answers by name, from 0 to 1
 */
public record EvaluationMetrics(
        long step,
        double loss,
        long labelledTokens,
        @Nullable Double exactMatch,
        Map<String, Double> scores) {

    public EvaluationMetrics {
        scores = Collections.unmodifiableMap(new LinkedHashMap<>(scores));
    }

    /** Without metrics of generated answers other than the exact match. */
    public EvaluationMetrics(long step, double loss, long labelledTokens, @Nullable Double exactMatch) {
        this(step, loss, labelledTokens, exactMatch, Map.of());
    }

    /** {@code exp(loss)}. */
    public double perplexity() {
        return Math.exp(loss);
    }

    /**
     * The metric of this name.
     *
     * @throws NullPointerException when it was not measured
     */
    public double metric(String name) {
        return switch (name) {
            case "loss" -> loss;
            case "perplexity" -> perplexity();
            case "exact_match" -> Objects.requireNonNull(exactMatch, name);
            default -> Objects.requireNonNull(scores.get(name), name);
        };
    }
}
