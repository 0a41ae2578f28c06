package org.finetune4j.rlhf.preference;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.rlhf.preference.loss.Answer;
import org.finetune4j.rlhf.preference.loss.OddsRatioLoss;
import org.finetune4j.rlhf.preference.loss.PairLoss;
import org.finetune4j.train.gradient.Average;

/** Averages over pairs of what a loss saw of them, under TRL's names. */
final class PairMetrics {

    private final PairLoss loss;
    private final Map<String, Average> all = new LinkedHashMap<>();

    PairMetrics(PairLoss loss) {
        this.loss = loss;
    }

    void add(Answer chosen, Answer rejected) {
        double better = loss.reward(rounded(chosen));
        double worse = loss.reward(rounded(rejected));
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

    /** As the reference's are: policy and reference that are equal reward nothing. */
    private static Answer rounded(Answer answer) {
        return new Answer((float) answer.logprob(), answer.reference(), answer.tokens());
    }

    /** How unlikely the chosen answers of these pairs are, summed over so many tokens; a batch counts by its pairs, as in the loss. */
    void likelihood(double sum, double tokens, int pairs) {
        if (tokens > 0) {
            all.put("nll_loss", new Average(sum / tokens * pairs, pairs));
        }
    }

    private double logprob(Answer answer) {
        return loss.averages() ? answer.logprob() / answer.tokens() : answer.logprob();
    }

    private void add(String name, double value) {
        all.merge(name, new Average(value, 1), Average::plus);
    }

    Map<String, Average> averages() {
        return all;
    }
}
