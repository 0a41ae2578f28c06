package org.finetune4j.generate;

import java.util.Objects;
import org.finetune4j.nn.RowAdapters;
import org.jspecify.annotations.Nullable;

/**
 * One prompt and how to answer it. The answers of a request share the computation of its prompt.
 *
 * @param prompt token ids, at least one
 * @param options how to answer: sampling, seed, what ends an answer, how many answers; with {@code logprobs(0)} the answers
 *     say how likely their tokens were
 * @param firstStream the number of the first answer among all that have one seed: answers of other numbers draw other tokens
 * @param adapters which adapter the answers use, said for one row; or null for what the model has
 * @param sharing requests whose values are equal may begin with keys and values that another one computed, where the engine's limits let it
 *     keep some; the adapter must be part of what is compared, and so must be who must not find out what others asked: an answer that
 *     comes sooner says that somebody asked the like before. Null: with nobody
 * @param continues whether an answer's text goes on from the prompt's, so that both together are one text; else it is decoded by itself,
 *     and tokenizers that leave out the space a text begins with do so
 * @param listener is told of tokens and texts as they come
 */
public record GenerationRequest(
        int[] prompt,
        GenerationOptions options,
        long firstStream,
        @Nullable RowAdapters adapters,
        @Nullable Object sharing,
        boolean continues,
        GenerationListener listener) {

    /**
     * Copies the prompt.
     *
     * @param prompt token ids, at least one
     * @param options how to answer
     * @param firstStream the number of the first answer among all that have one seed
     * @param adapters which adapter the answers use, said for one row; or null for what the model has
     * @param sharing what requests that may share keys and values have in common, or null
     * @param continues whether an answer's text goes on from the prompt's
     * @param listener is told of tokens and texts as they come
     */
    public GenerationRequest {
        prompt = prompt.clone();
    }

    /**
     * A request that uses what the model has and that nobody listens to.
     *
     * @param prompt token ids, at least one
     * @param options how to answer
     * @return the request
     */
    public static GenerationRequest of(int[] prompt, GenerationOptions options) {
        Objects.requireNonNull(prompt, "prompt");
        Objects.requireNonNull(options, "options");
        return new GenerationRequest(prompt, options, 0, null, null, false, GenerationListener.NONE);
    }

    /**
     * The same request, which draws other tokens.
     *
     * @param number of the first answer among all that have one seed
     * @return the request
     */
    public GenerationRequest withFirstStream(long number) {
        return new GenerationRequest(prompt, options, number, adapters, sharing, continues, listener);
    }

    /**
     * The same request for an adapter of its own, which shares with nobody.
     *
     * @param newAdapters which adapter the answers use, said for one row
     * @return the request
     */
    public GenerationRequest withAdapters(RowAdapters newAdapters) {
        return new GenerationRequest(prompt, options, firstStream, newAdapters, null, continues, listener);
    }

    /**
     * The same request with somebody who listens.
     *
     * @param newListener is told of tokens and texts as they come
     * @return the request
     */
    public GenerationRequest withListener(GenerationListener newListener) {
        return new GenerationRequest(prompt, options, firstStream, adapters, sharing, continues, newListener);
    }

    /**
     * The same request, which may share keys and values with others.
     *
     * @param common equal for requests that may share: it tells adapters, and people who must not learn of each other, apart
     * @return the request
     */
    public GenerationRequest withSharing(Object common) {
        return new GenerationRequest(prompt, options, firstStream, adapters, common, continues, listener);
    }

    /**
     * The same request, whose answers' texts go on from the prompt's.
     *
     * @return the request
     */
    public GenerationRequest continuing() {
        return new GenerationRequest(prompt, options, firstStream, adapters, sharing, true, listener);
    }
}
