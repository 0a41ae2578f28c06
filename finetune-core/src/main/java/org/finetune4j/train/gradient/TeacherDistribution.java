package org.finetune4j.train.gradient;

import org.finetune4j.tensor.Tensor;

/** What a teacher says about some tokens. */
public sealed interface TeacherDistribution {

    /**
     * {@return what it says about some of the tokens}
     *
     * @param start the first of them
     * @param count how many
     */
    TeacherDistribution narrow(int start, int count);

    /**
     * Scores of all words, not yet divided by a temperature.
     *
     * @param logits [tokens, words]
     */
    record AllWords(Tensor logits) implements TeacherDistribution {

        @Override
        public AllWords narrow(int start, int count) {
            return new AllWords(logits.narrow(0, start, count));
        }
    }

    /**
     * The likeliest words only; what is left of the probability is shared by all others together.
     *
     * @param words which they are, [tokens, k] int64, each once
     * @param logprobs how likely each is at the temperature of the loss, [tokens, k]; {@link #NONE} or less where a token has fewer than k, everywhere
     *     where its label is to be learned instead
     */
    record Likeliest(Tensor words, Tensor logprobs) implements TeacherDistribution {

        /** The log-probability of a place that holds no word. */
        public static final double NONE = -1e30;

        @Override
        public Likeliest narrow(int start, int count) {
            return new Likeliest(words.narrow(0, start, count), logprobs.narrow(0, start, count));
        }
    }
}
