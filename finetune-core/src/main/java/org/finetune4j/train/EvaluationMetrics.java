package org.finetune4j.train;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.train.arguments.ModelSelection;
import org.finetune4j.train.group.Membership;
import org.finetune4j.train.objective.ScoreTable;
import org.jspecify.annotations.Nullable;

/**
 * One evaluation on the held-out split.
 *
 * @param step optimizer steps done when it was made; 0 before training
 * @param loss the objective's, of a language model the cross entropy in nats; the mean over what it counts
 * @param labelledTokens what the objective counts in the split: tokens that carry a label, or sequences of a classifier
 * @param exactMatch share of the generated answers that equal the expected one, from 0 to 1, where it was measured
 * @param scores other metrics by name: of generated answers, from 0 to 1, and what the objective measures
 * @param tables what the objective shows beside them
 */
public record EvaluationMetrics(
        long step,
        double loss,
        long labelledTokens,
        @Nullable Double exactMatch,
        Map<String, Double> scores,
        List<ScoreTable> tables) {

    /**
     * Copies scores and tables.
     *
     * @param step optimizer steps done when it was made; 0 before training
     * @param loss the objective's, the mean over what it counts
     * @param labelledTokens what the objective counts in the split
     * @param exactMatch share of the generated answers that equal the expected one, or null where it was not measured
     * @param scores other metrics by name
     * @param tables what the objective shows beside them
     */
    public EvaluationMetrics {
        tables = List.copyOf(tables);
        scores = Collections.unmodifiableMap(new LinkedHashMap<>(scores));
    }

    /**
     * Without tables.
     *
     * @param step optimizer steps done when it was made; 0 before training
     * @param loss the objective's, the mean over what it counts
     * @param labelledTokens what the objective counts in the split
     * @param exactMatch share of the generated answers that equal the expected one, or null where it was not measured
     * @param scores other metrics by name
     */
    public EvaluationMetrics(
            long step, double loss, long labelledTokens, @Nullable Double exactMatch, Map<String, Double> scores) {
        this(step, loss, labelledTokens, exactMatch, scores, List.of());
    }

    /**
     * Without metrics of generated answers other than the exact match.
     *
     * @param step optimizer steps done when it was made; 0 before training
     * @param loss the objective's, the mean over what it counts
     * @param labelledTokens what the objective counts in the split
     * @param exactMatch share of the generated answers that equal the expected one, or null where it was not measured
     */
    public EvaluationMetrics(long step, double loss, long labelledTokens, @Nullable Double exactMatch) {
        this(step, loss, labelledTokens, exactMatch, Map.of());
    }

    /** The first rank's numbers on every rank, so that all decide the same. */
    EvaluationMetrics ofFirst(Membership membership) {
        List<String> names = List.copyOf(scores.keySet());
        double[] own = new double[2 + names.size()];
        own[0] = loss;
        own[1] = exactMatch == null ? Double.NaN : exactMatch;
        for (int i = 0; i < names.size(); i++) {
            own[2 + i] = Objects.requireNonNull(scores.get(names.get(i)));
        }
        double[] first = membership.ofFirst(own);
        Map<String, Double> agreed = new LinkedHashMap<>();
        for (int i = 0; i < names.size(); i++) {
            agreed.put(names.get(i), first[2 + i]);
        }
        return new EvaluationMetrics(
                step, first[0], labelledTokens, exactMatch == null ? null : (Double) first[1], agreed, tables);
    }

    /**
     * {@code exp(loss)}.
     *
     * @return the perplexity, of a language model
     */
    public double perplexity() {
        return Math.exp(loss);
    }

    /**
     * Whether the loss is a language model's: an objective with scores of its own has another one.
     *
     * @return whether the perplexity means something
     */
    public boolean isOfLanguage() {
        return ModelSelection.GENERATED.containsAll(scores.keySet());
    }

    /**
     * The metric of this name.
     *
     * @param name {@code loss}, {@code perplexity}, {@code exact_match} or a name among the scores
     * @return its value
     * @throws UserErrorException when it was not measured, with what was
     */
    public double metric(String name) {
        return switch (name) {
            case "loss" -> loss;
            case "perplexity" -> perplexity();
            case "exact_match" -> measured(name, exactMatch);
            default -> measured(name, scores.get(name));
        };
    }

    private double measured(String name, @Nullable Double value) {
        if (value == null) {
            throw new UserErrorException("'" + name + "' was not measured on the held-out samples"
                    + Suggestions.among(name, scores.isEmpty() ? List.of("loss", "perplexity") : scores.keySet()));
        }
        return value;
    }
}
