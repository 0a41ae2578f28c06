package org.finetune4j.rlhf.preference;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.rlhf.preference.loss.Answer;
import org.finetune4j.rlhf.preference.loss.OddsRatioLoss;
import org.finetune4j.rlhf.preference.loss.PairLoss;

/** Means over pairs of what a loss saw of them, under TRL's names. */
final class PairMetrics {

    private final PairLoss loss;
    private final Map<String, Double> sums = new LinkedHashMap<>();
    private final Map<String, Double> once = new LinkedHashMap<>();
    private int pairs;

    PairMetrics(PairLoss loss) {
        this.loss = loss;
    }

    void add(Answer chosen, Answer rejected) {
        double better = loss.reward(chosen);
        double worse = loss.reward(rejected);
        pairs++;
        add("rewards/chosen", better);
        add("rewards/rejected", worse);
        add("rewards/accuracies", better > worse ? 1 : 0);
        add("rewards/margins", better - worse);
        add("logps/chosen", logprob(chosen));
        add("logps/rejected", logprob(rejected));
        if (loss instanceof OddsRatioLoss) {
            double logOdds = OddsRatioLoss.logOddsRatio(chosen, rejected);
            add("log_odds_chosen", logOdds);
            add("log_odds_ratio", -Math.log1p(Math.exp(-logOdds)));
        }
    }

    void likelihood(double mean) {
        once.put("nll_loss", mean);
    }

    private double logprob(Answer answer) {
        return loss.averages() ? answer.logprob() / answer.tokens() : answer.logprob();
    }

    private void add(String name, double value) {
        sums.merge(name, value, Double::sum);
    }

    Map<String, Double> means() {
        Map<String, Double> means = new LinkedHashMap<>();
        sums.forEach((name, sum) -> means.put(name, sum / pairs));
        means.putAll(once);
        return means;
    }
}
