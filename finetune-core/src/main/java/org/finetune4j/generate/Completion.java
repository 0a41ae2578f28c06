package org.finetune4j.generate;

import java.util.List;

/**
 * One continuation of one prompt.
 *
 * @param prompt the number of the prompt in its batch
 * @param text the continuation without special tokens and without the stop string; empty for a model without a tokenizer
 * @param ids the new tokens; a stop token is the last one where there was one
 * @param finishReason why it ended
 * @param logprobs one an id where they were asked for, else empty
 * @param score of a beam: the sum of its log-probabilities divided by its length to the power of the length penalty; else 0
 */
public record Completion(
        int prompt,
        String text,
        List<Integer> ids,
        FinishReason finishReason,
        List<TokenLogprob> logprobs,
        double score) {

    /**
     * Copies the lists.
     *
     * @param prompt the number of the prompt in its batch
     * @param text the continuation without special tokens and without the stop string; empty for a model without a tokenizer
     * @param ids the new tokens; a stop token is the last one where there was one
     * @param finishReason why it ended
     * @param logprobs one an id where they were asked for, else empty
     * @param score of a beam: the sum of its log-probabilities divided by its length to the power of the length penalty;
     *     else 0
     */
    public Completion {
        ids = List.copyOf(ids);
        logprobs = List.copyOf(logprobs);
    }

    /** {@return the new tokens as an array} */
    public int[] tokens() {
        return ids.stream().mapToInt(Integer::intValue).toArray();
    }
}
