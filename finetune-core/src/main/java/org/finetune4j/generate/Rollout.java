package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One answer to a request, with what learning from it needs.
 *
 * @param answer its number among the answers of the request, from 0
 * @param tokens the new tokens; a stop token is the last one where there was one
 * @param logprobs the log-probability of each token as the model has it, at temperature 1 and before anything takes tokens
 *     away; empty unless the options asked for log-probabilities
 * @param sampledLogprobs the log-probability of each token among those that it was drawn from, with temperature and all that
 *     takes tokens away or makes them less likely; 0 for a token that was not drawn; empty as {@code logprobs}
 * @param likeliest for each token the likeliest ones in its place; empty unless the options asked for some
 * @param finishReason why it ended
 * @param text the answer without special tokens and without the stop string; empty for a model without a tokenizer
 * @param failure what ended an answer that failed, else null
 */
public record Rollout(
        int answer,
        int[] tokens,
        float[] logprobs,
        float[] sampledLogprobs,
        List<List<TokenLogprob.Candidate>> likeliest,
        FinishReason finishReason,
        String text,
        @Nullable RuntimeException failure) {

    /** {@return whether the answer came to its end: by a stop token, a stop string or its length} */
    public boolean isComplete() {
        return finishReason == FinishReason.STOP || finishReason == FinishReason.LENGTH;
    }

    /** As {@link TextGenerator} gives it. */
    Completion completion(int prompt) {
        List<Integer> ids = new ArrayList<>(tokens.length);
        List<TokenLogprob> reported = new ArrayList<>(logprobs.length);
        for (int token : tokens) {
            ids.add(token);
        }
        for (int i = 0; i < logprobs.length; i++) {
            reported.add(new TokenLogprob(tokens[i], logprobs[i], likeliest.isEmpty() ? List.of() : likeliest.get(i)));
        }
        return new Completion(prompt, text, ids, finishReason, reported, 0);
    }
}
