package org.finetune4j.model;

import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** Decides which token of a sequence, or which of them on average, speaks for all of it when the sequence is classified. */
@FunctionalInterface
public interface Pooling {

    /**
     * Finds the token in every row.
     *
     * @param inputs the tokens
     * @return [batch], its index in its row
     * @throws UserErrorException when none speaks alone
     */
    int[] tokens(ModelInputs inputs);

    /**
     * Finds those that speak for every row among the states of the whole batch.
     *
     * @param inputs the tokens
     * @param states how many of each row are there, from {@link #start} to {@link #end}
     * @return their places where states are counted through the batch, row after row
     */
    default PooledTokens places(ModelInputs inputs, int states) {
        int[] places = tokens(inputs);
        for (int row = 0; row < places.length; row++) {
            places[row] += row * states;
        }
        return PooledTokens.single(places);
    }

    /**
     * Where the states begin among which a row's tokens are counted.
     *
     * @param virtual how many states of virtual tokens come before those of the row's own
     * @return so many, which the count leaves out
     */
    default int start(int virtual) {
        return virtual;
    }

    /**
     * Where those states end.
     *
     * @param virtual how many states of virtual tokens come before those of the row's own
     * @param tokens how many tokens the row has itself
     * @return the index after the last one
     */
    default int end(int virtual, int tokens) {
        return start(virtual) + tokens;
    }

    /**
     * {@return the average of all tokens that the mask shows, virtual ones that run through the layers among them, as PEFT has it}
     */
    static Pooling mean() {
        return new Pooling() {
            @Override
            public int[] tokens(ModelInputs inputs) {
                throw new UserErrorException(
                        "this classifier averages the tokens of a sequence (classifier_pooling: mean): none speaks alone");
            }

            @Override
            public PooledTokens places(ModelInputs inputs, int states) {
                int virtual = states - inputs.sequenceLength();
                return PooledTokens.shown(virtual == 0 ? inputs : inputs.withVirtual(virtual));
            }

            @Override
            public int start(int virtual) {
                return 0;
            }

            @Override
            public int end(int virtual, int tokens) {
                return virtual + tokens;
            }
        };
    }

    /**
     * {@return the first token: {@code [CLS]} of BERT, or a virtual one that runs through the layers before it, as PEFT has it}
     */
    static Pooling first() {
        return new Pooling() {
            @Override
            public int[] tokens(ModelInputs inputs) {
                return new int[inputs.batchSize()];
            }

            @Override
            public int start(int virtual) {
                return 0;
            }
        };
    }

    /**
     * {@return the last token whose id is not the padding's, as the decoders of transformers do: by id, not by mask}
     *
     * @param padTokenId the padding's id, or null where the configuration names none: then the last token is taken, and a
     *     batch of several sequences is refused
     * @param origin what messages call it
     */
    static Pooling lastExcept(@Nullable Integer padTokenId, String origin) {
        return inputs -> {
            int seq = inputs.sequenceLength();
            int[] tokens = new int[inputs.batchSize()];
            if (padTokenId == null && inputs.batchSize() > 1) {
                throw new UserErrorException(origin + ": 'pad_token_id' is missing: without it the last token of "
                        + inputs.batchSize() + " sequences in one batch cannot be told from padding");
            }
            for (int row = 0; row < tokens.length; row++) {
                int last = seq - 1;
                while (padTokenId != null && last > 0 && inputs.inputIds()[row * seq + last] == padTokenId) {
                    last--;
                }
                tokens[row] = last;
            }
            return tokens;
        };
    }
}
