package org.finetune4j.generate;

import java.util.List;

/**
 * How likely the model found a token: the logarithm of the softmax of its scores, before penalties and temperature.
 *
 * @param token the token that was chosen
 * @param logprob its log-probability
 * @param top the likeliest tokens in that place, the likeliest first
 */
public record TokenLogprob(int token, double logprob, List<Candidate> top) {

    /**
     * A token that could have been chosen.
     *
     * @param token its id
     * @param logprob its log-probability
     */
    public record Candidate(int token, double logprob) {}

    /**
     * Copies the candidates.
     *
     * @param token the token that was chosen
     * @param logprob its log-probability
     * @param top the likeliest tokens in that place, the likeliest first
     */
    public TokenLogprob {
        top = List.copyOf(top);
    }
}
