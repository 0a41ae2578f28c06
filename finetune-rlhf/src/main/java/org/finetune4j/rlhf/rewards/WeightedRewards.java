package org.finetune4j.rlhf.rewards;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.train.objective.Ranks;
import org.jspecify.annotations.Nullable;

/** Several sources, each with a weight: an answer's score is the weighted sum. What is no number is refused here, whoever gave it. */
public final class WeightedRewards implements AutoCloseable {

    private record Weighted(RewardSource source, double weight) {}

    /**
     * What some answers were given.
     *
     * @param total the weighted sums, one an answer
     * @param bySource what every source gave, one number an answer
     */
    public record Scores(double[] total, Map<String, double[]> bySource) {}

    private final List<Weighted> sources = new ArrayList<>();

    /**
     * Sources with weights.
     *
     * @param sources at least one; closed with this
     * @param weights as many; all 1 where there is none
     * @throws UserErrorException when there is no source, or another number of weights
     */
    public WeightedRewards(List<RewardSource> sources, List<Double> weights) {
        if (sources.isEmpty()) {
            throw new UserErrorException("there is nothing that scores answers: set reward_funcs or reward_model_path");
        }
        if (!weights.isEmpty() && weights.size() != sources.size()) {
            throw new UserErrorException("reward_weights has " + weights.size() + " numbers, expected one for each of "
                    + sources.size() + " rewards");
        }
        for (int i = 0; i < sources.size(); i++) {
            this.sources.add(new Weighted(sources.get(i), weights.isEmpty() ? 1 : weights.get(i)));
        }
    }

    /**
     * The scores of some answers.
     *
     * @param requests the answers, the same on all ranks
     * @param ranks that all call this and have the first one's scores
     * @return finite numbers
     * @throws UserErrorException when a source fails, or gives something that is no number for an answer
     */
    public Scores score(List<RewardRequest> requests, Ranks ranks) {
        double[] total = new double[requests.size()];
        Map<String, double[]> bySource = new LinkedHashMap<>();
        for (Weighted weighted : sources) {
            double[] own = scores(weighted.source(), requests, ranks);
            String name = weighted.source().name();
            for (int twin = 2; bySource.containsKey(name); twin++) {
                name = weighted.source().name() + "_" + twin;
            }
            bySource.put(name, own);
            Arrays.setAll(total, i -> total[i] + weighted.weight() * own[i]);
        }
        return new Scores(total, bySource);
    }

    private static double[] scores(RewardSource source, List<RewardRequest> requests, Ranks ranks) {
        double[] scores = new double[requests.size()];
        if (source.isOfEveryRank()) {
            scores = scores(source, requests);
        } else {
            double[] asked = scores;
            ranks.onFirst(others -> System.arraycopy(scores(source, requests), 0, asked, 0, asked.length));
        }
        return ranks.ofFirst(scores);
    }

    private static double[] scores(RewardSource source, List<RewardRequest> requests) {
        double[] scores;
        try {
            scores = source.scores(requests);
        } catch (UserErrorException e) {
            throw e;
        } catch (RuntimeException e) {
            throw new UserErrorException("reward '" + source.name() + "' failed: " + e, e);
        }
        require(source.name(), scores, requests);
        return scores;
    }

    private static void require(String name, double @Nullable [] scores, List<RewardRequest> requests) {
        if (scores == null) {
            throw new UserErrorException("reward '" + name + "' gave no scores");
        }
        if (scores.length != requests.size()) {
            throw new UserErrorException(
                    "reward '" + name + "' gave " + scores.length + " scores for " + requests.size() + " answers");
        }
        for (int i = 0; i < scores.length; i++) {
            if (!Double.isFinite(scores[i])) {
                throw new UserErrorException("reward '" + name + "' gave " + scores[i] + " for the answer '"
                        + Reasons.excerpt(requests.get(i).completion()) + "' to '"
                        + Reasons.excerpt(requests.get(i).prompt()) + "', expected a finite number");
            }
        }
    }

    @Override
    public void close() {
        sources.forEach(weighted -> weighted.source().close());
    }
}
