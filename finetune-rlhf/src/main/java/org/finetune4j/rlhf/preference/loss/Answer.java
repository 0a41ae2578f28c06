package org.finetune4j.rlhf.preference.loss;

/**
 * How likely an answer is after its prompt.
 *
 * @param logprob the sum of the log-probabilities of its tokens, by the model that learns
 * @param reference the same by the reference model; 0 for a loss that has none
 * @param tokens how many tokens it has, at least 1
 */
public record Answer(double logprob, double reference, int tokens) {

    /**
     * Refuses an answer of no tokens.
     *
     * @param logprob by the model that learns
     * @param reference by the reference model, or 0
     * @param tokens at least 1
     * @throws IllegalArgumentException when there is no token
     */
    public Answer {
        if (tokens < 1) {
            throw new IllegalArgumentException("an answer needs a token");
        }
    }

    /** {@return how much likelier the model finds the answer than the reference does, log(p / p_ref)} */
    public double ratio() {
        return logprob - reference;
    }

    /** {@return the ratio a token} */
    public double averageRatio() {
        return ratio() / tokens;
    }
}
