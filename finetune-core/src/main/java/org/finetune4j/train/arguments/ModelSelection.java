package org.finetune4j.train.arguments;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.train.objective.Score;
import org.jspecify.annotations.Nullable;

/**
 * What is measured on the held-out samples, and what follows from it.
 *
 * @param metrics beside the loss, which costs a forward pass; those of generated text cost a generation each
 * @param metricForBest the metric that decides which model is best, {@code loss} unless told otherwise
 * @param greaterIsBetter whether a larger value of it is better
 * @param loadBestAtEnd whether the run gives the best model, not the last one
 * @param earlyStoppingPatience evaluations without an improvement after which the run ends; 0 for never
 * @param earlyStoppingThreshold an improvement smaller than this counts as none
 * @param maxNewTokens the longest generated answer
 * @param generatedSamples how many held-out prompts are answered at most; 0 for all
 * @param ofObjective scores that the training's objective gives by itself
 */
public record ModelSelection(
        List<String> metrics,
        String metricForBest,
        boolean greaterIsBetter,
        boolean loadBestAtEnd,
        int earlyStoppingPatience,
        double earlyStoppingThreshold,
        int maxNewTokens,
        int generatedSamples,
        List<Score> ofObjective) {

    /** The metrics that need generated text. */
    public static final List<String> GENERATED = List.of("exact_match", "rouge1", "rouge2", "rougeL", "bleu");

    private static final List<String> ROUGE = List.of("rouge1", "rouge2", "rougeL");

    /**
     * The metrics that names stand for.
     *
     * @param names as users write them: {@code rouge} is all three of its kind
     * @return each metric by its own name
     */
    public static List<String> metricsNamed(List<String> names) {
        return names.stream()
                .flatMap(name -> name.equals("rouge") ? ROUGE.stream() : Stream.of(name))
                .toList();
    }

    private static final List<String> BY_LOSS = List.of("loss", "perplexity");
    private static final ModelSelection DEFAULT = new ModelSelection(List.of(), "loss", false, false, 0, 0, 64, 0);

    /**
     * Checks names and numbers.
     *
     * @param metrics beside the loss, which costs a forward pass; those of generated text cost a generation each
     * @param metricForBest the metric that decides which model is best, {@code loss} unless told otherwise
     * @param greaterIsBetter whether a larger value of it is better
     * @param loadBestAtEnd whether the run gives the best model, not the last one
     * @param earlyStoppingPatience evaluations without an improvement after which the run ends; 0 for never
     * @param earlyStoppingThreshold an improvement smaller than this counts as none
     * @param maxNewTokens the longest generated answer
     * @param generatedSamples how many held-out prompts are answered at most; 0 for all
     * @param ofObjective scores that the training's objective gives by itself
     * @throws UserErrorException when there is no such metric, or the deciding one is not measured
     * @throws IllegalArgumentException when a number is outside of its range
     */
    public ModelSelection {
        metrics = List.copyOf(metrics);
        ofObjective = List.copyOf(ofObjective);
        List<String> own = ofObjective.stream().map(Score::name).toList();
        for (String metric : metrics) {
            if (!GENERATED.contains(metric) && !BY_LOSS.contains(metric) && !own.contains(metric)) {
                List<String> all =
                        Stream.of(own, GENERATED).flatMap(List::stream).toList();
                throw new UserErrorException(
                        "eval_metrics: there is no '" + metric + "'" + Suggestions.didYouMean(metric, all));
            }
        }
        if (!BY_LOSS.contains(metricForBest) && !metrics.contains(metricForBest) && !own.contains(metricForBest)) {
            throw new UserErrorException("metric_for_best_model is '" + metricForBest
                    + (GENERATED.contains(metricForBest)
                            ? "', which eval_metrics does not measure: add it there"
                            : "', which this training does not measure"
                                    + Suggestions.among(
                                            metricForBest,
                                            Stream.of(BY_LOSS, own, metrics)
                                                    .flatMap(List::stream)
                                                    .distinct()
                                                    .toList())));
        }
        if (earlyStoppingPatience < 0 || !(earlyStoppingThreshold >= 0) || maxNewTokens < 1 || generatedSamples < 0) {
            throw new IllegalArgumentException("patience, threshold and sample count must not be negative, and"
                    + " maxNewTokens must be positive");
        }
    }

    /**
     * For a training whose objective gives its loss only.
     *
     * @param metrics beside the loss, which costs a forward pass; those of generated text cost a generation each
     * @param metricForBest the metric that decides which model is best, {@code loss} unless told otherwise
     * @param greaterIsBetter whether a larger value of it is better
     * @param loadBestAtEnd whether the run gives the best model, not the last one
     * @param earlyStoppingPatience evaluations without an improvement after which the run ends; 0 for never
     * @param earlyStoppingThreshold an improvement smaller than this counts as none
     * @param maxNewTokens the longest generated answer
     * @param generatedSamples how many held-out prompts are answered at most; 0 for all
     * @throws UserErrorException when there is no such metric, or the deciding one is not measured
     */
    public ModelSelection(
            List<String> metrics,
            String metricForBest,
            boolean greaterIsBetter,
            boolean loadBestAtEnd,
            int earlyStoppingPatience,
            double earlyStoppingThreshold,
            int maxNewTokens,
            int generatedSamples) {
        this(
                metrics,
                metricForBest,
                greaterIsBetter,
                loadBestAtEnd,
                earlyStoppingPatience,
                earlyStoppingThreshold,
                maxNewTokens,
                generatedSamples,
                List.of());
    }

    /**
     * By a score that the training's objective gives by itself.
     *
     * @param score decides which model is best
     * @return the selection, which goes to the end of the run
     */
    public static ModelSelection byScore(Score score) {
        return new ModelSelection(List.of(), score.name(), score.greaterIsBetter(), false, 0, 0, 64, 0, List.of(score));
    }

    /**
     * The loss alone; the smallest is kept as the best, and the run goes to its end.
     *
     * @return the selection
     */
    public static ModelSelection byLoss() {
        return DEFAULT;
    }

    /**
     * Ends the run after {@code patience} evaluations without an improvement of more than {@code threshold}.
     *
     * @param patience evaluations; 0 for never
     * @param threshold at least 0
     * @return the changed selection
     */
    public ModelSelection withEarlyStopping(int patience, double threshold) {
        return new ModelSelection(
                metrics,
                metricForBest,
                greaterIsBetter,
                loadBestAtEnd,
                patience,
                threshold,
                maxNewTokens,
                generatedSamples,
                ofObjective);
    }

    /**
     * Gives the best model in the end.
     *
     * @return the changed selection
     */
    public ModelSelection withBestAtEnd() {
        return new ModelSelection(
                metrics,
                metricForBest,
                greaterIsBetter,
                true,
                earlyStoppingPatience,
                earlyStoppingThreshold,
                maxNewTokens,
                generatedSamples,
                ofObjective);
    }

    /** {@return whether any metric needs generated text} */
    public boolean generates() {
        return metrics.stream().anyMatch(Set.copyOf(GENERATED)::contains);
    }

    /**
     * {@return whether a value is better than the best one; what is no finite number never is}
     *
     * @param value of the metric that decides
     * @param best so far, or null before the first
     * @param margin by more than which it has to be better
     */
    public boolean improves(double value, @Nullable Double best, double margin) {
        if (best == null || !Double.isFinite(value)) {
            return Double.isFinite(value);
        }
        return greaterIsBetter ? value - best > margin : best - value > margin;
    }

    void describe(Map<String, @Nullable Object> shown) {
        if (!metrics.isEmpty()) {
            shown.put("eval_metrics", metrics);
        }
        if (!metricForBest.equals("loss")) {
            shown.put("metric_for_best_model", metricForBest);
        }
        if (loadBestAtEnd) {
            shown.put("load_best_model_at_end", true);
        }
        if (earlyStoppingPatience > 0) {
            shown.put("early_stopping_patience", earlyStoppingPatience);
        }
    }
}
