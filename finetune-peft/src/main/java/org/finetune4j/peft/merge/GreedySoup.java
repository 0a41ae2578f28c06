package org.finetune4j.peft.merge;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/**
 * The greedy soup of Wortsman et al. 2022: candidates in the order of their own scores, each kept when the soup with it does
 * not score lower. As the best candidate is the first soup, the result never scores below it.
 *
 * @param ingredients what was kept, in the order of trying
 * @param score the soup's score
 * @param steps what was tried
 */
public record GreedySoup(List<Integer> ingredients, double score, List<Step> steps) {

    /**
     * One candidate tried.
     *
     * @param candidate its number, from 0
     * @param score of the soup with it
     * @param kept whether it became part of the soup
     */
    public record Step(int candidate, double score, boolean kept) {}

    /**
     * Cooks a soup.
     *
     * @param scores of each candidate alone; higher is better
     * @param soupScore the score of the uniform soup of some candidates
     * @return the soup and how it came about
     */
    public static GreedySoup of(double[] scores, ToDoubleFunction<List<Integer>> soupScore) {
        List<Integer> order = IntStream.range(0, scores.length)
                .boxed()
                .sorted(Comparator.comparingDouble((Integer candidate) -> -scores[candidate]))
                .toList();
        List<Integer> kept = new ArrayList<>();
        List<Step> steps = new ArrayList<>();
        double best = Double.NEGATIVE_INFINITY;
        for (int candidate : order) {
            List<Integer> tried = new ArrayList<>(kept);
            tried.add(candidate);
            double score = kept.isEmpty() ? scores[candidate] : soupScore.applyAsDouble(tried);
            boolean keep = kept.isEmpty() || score >= best;
            if (keep) {
                kept.add(candidate);
                best = score;
            }
            steps.add(new Step(candidate, score, keep));
        }
        return new GreedySoup(List.copyOf(kept), best, List.copyOf(steps));
    }
}
