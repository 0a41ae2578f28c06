package org.finetune4j.classify;

import java.util.Comparator;
import java.util.List;
import org.finetune4j.model.ProblemType;

/**
 * What a classifier says of a text.
 *
 * @param problem what the scores mean
 * @param scores of every label, in the order of the model's outputs
 */
public record TextScores(ProblemType problem, List<LabelScore> scores) {

    /** From this probability on a label holds, of those of which several can. */
    private static final double HOLDS = 0.5;

    /**
     * A label's.
     *
     * @param label its name
     * @param score its probability from 0 to 1, or in a regression the number itself
     */
    public record LabelScore(String label, double score) {}

    /**
     * Copies the list.
     *
     * @param problem what the scores mean
     * @param scores of every label, in the order of the model's outputs
     */
    public TextScores {
        scores = List.copyOf(scores);
        if (scores.isEmpty()) {
            throw new IllegalArgumentException("a classifier has at least one label");
        }
    }

    /** {@return the label with the largest score} */
    public LabelScore best() {
        return scores.stream()
                .max(Comparator.comparingDouble(LabelScore::score))
                .orElseThrow();
    }

    /** {@return the labels that hold: the best one, of several that can hold those with a probability of at least one half, of numbers all} */
    public List<LabelScore> holding() {
        return switch (problem) {
            case SINGLE_LABEL_CLASSIFICATION -> List.of(best());
            case MULTI_LABEL_CLASSIFICATION ->
                scores.stream().filter(label -> label.score() >= HOLDS).toList();
            case REGRESSION -> scores;
        };
    }
}
