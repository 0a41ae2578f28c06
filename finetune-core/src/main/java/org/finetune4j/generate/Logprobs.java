package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.List;

/** Finds out how likely tokens are. */
final class Logprobs {

    private Logprobs() {}

    /** @param scores of every token, as the model gave them */
    static TokenLogprob of(float[] scores, int token, int topN) {
        double logSum = Scores.logSumExp(scores);
        List<TokenLogprob.Candidate> top = new ArrayList<>();
        if (topN > 0) {
            for (int candidate : Scores.top(scores, topN)) {
                top.add(new TokenLogprob.Candidate(candidate, scores[candidate] - logSum));
            }
        }
        return new TokenLogprob(token, scores[token] - logSum, top);
    }
}
