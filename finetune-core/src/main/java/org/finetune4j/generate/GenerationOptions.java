package org.finetune4j.generate;

import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.finetune4j.generate.grammar.AnswerGrammar;
import org.jspecify.annotations.Nullable;

/**
 * How to continue a text, in the terms of transformers' {@code GenerationConfig}. The defaults are greedy: the most likely
 * token each time. What a caller does not set is taken from the model's {@code generation_config.json} where that says
 * something, see {@link GenerationConfigFile}.
 *
 * @param maxNewTokens how many tokens to add at most
 * @param minNewTokens no stop token can come before this many tokens
 * @param temperature what scores are divided by before sampling; 0 is greedy
 * @param topK only this many of the likeliest tokens can be drawn; 0 for all
 * @param topP only the likeliest tokens whose probabilities together reach this can be drawn; 1 for all (Holtzman et al.
 *     2020)
 * @param minP only tokens at least this times as likely as the likeliest can be drawn; 0 for all
 * @param typicalP only tokens whose information is closest to the expected one, until their probabilities together reach
 *     this, can be drawn; 1 for all (Meister et al. 2022)
 * @param repetitionPenalty what the scores of tokens that are there already are divided by (multiplied where negative); 1
 *     for none (Keskar et al. 2019)
 * @param noRepeatNgramSize runs of this many tokens occur once only; 0 for no such rule
 * @param seed decides what is drawn
 * @param stopTokens tokens that end the text, or null for those that the model's own files name
 * @param stopStrings texts that end the text and do not belong to it
 * @param numReturnSequences continuations of each prompt
 * @param numBeams sequences that beam search follows; 1 for no beam search
 * @param lengthPenalty the power of the length that the score of a finished beam is divided by
 * @param earlyStopping when beam search ends
 * @param logprobs how many of the likeliest tokens to report the log-probabilities of beside the chosen one; -1 for no
 *     report
 * @param taskId which task's virtual tokens the text begins with, where an adapter has several; or null
 * @param grammar what the text has to look like, or null for anything
 * @param explicit the names, as in {@code generation_config.json}, of what the caller has set
 */
public record GenerationOptions(
        int maxNewTokens,
        int minNewTokens,
        double temperature,
        int topK,
        double topP,
        double minP,
        double typicalP,
        double repetitionPenalty,
        int noRepeatNgramSize,
        long seed,
        @Nullable Set<Integer> stopTokens,
        List<String> stopStrings,
        int numReturnSequences,
        int numBeams,
        double lengthPenalty,
        EarlyStopping earlyStopping,
        int logprobs,
        @Nullable Integer taskId,
        @Nullable AnswerGrammar grammar,
        Set<String> explicit) {

    /** How many tokens are added at most when nothing else is said. */
    public static final int DEFAULT_MAX_NEW_TOKENS = 128;

    /** How many sequences of one prompt are continued at once: each has a row of the cache and of the logits. */
    private static final int MOST_SEQUENCES = 1024;

    /** When beam search ends; transformers' {@code early_stopping}. */
    public enum EarlyStopping {
        /** {@code false}: when the best running beam is not likely to become better than the worst finished one. */
        HEURISTIC,
        /** {@code true}: as soon as there are as many finished sequences as beams. */
        FIRST,
        /** {@code "never"}: when no running beam can become better than a finished one. */
        NEVER
    }

    /**
     * Checks every number and copies the collections.
     *
     * @param maxNewTokens how many tokens to add at most
     * @param minNewTokens no stop token can come before this many tokens
     * @param temperature what scores are divided by before sampling; 0 is greedy
     * @param topK only this many of the likeliest tokens can be drawn; 0 for all
     * @param topP only the likeliest tokens whose probabilities together reach this can be drawn; 1 for all (Holtzman et al.
     *     2020)
     * @param minP only tokens at least this times as likely as the likeliest can be drawn; 0 for all
     * @param typicalP only tokens whose information is closest to the expected one, until their probabilities together reach
     *     this, can be drawn; 1 for all (Meister et al. 2022)
     * @param repetitionPenalty what the scores of tokens that are there already are divided by (multiplied where negative);
     *     1 for none (Keskar et al. 2019)
     * @param noRepeatNgramSize runs of this many tokens occur once only; 0 for no such rule
     * @param seed decides what is drawn
     * @param stopTokens tokens that end the text, or null for those that the model's own files name
     * @param stopStrings texts that end the text and do not belong to it
     * @param numReturnSequences continuations of each prompt
     * @param numBeams sequences that beam search follows; 1 for no beam search
     * @param lengthPenalty the power of the length that the score of a finished beam is divided by
     * @param earlyStopping when beam search ends
     * @param logprobs how many of the likeliest tokens to report the log-probabilities of beside the chosen one; -1 for no
     *     report
     * @param taskId which task's virtual tokens the text begins with, where an adapter has several; or null
     * @param grammar what the text has to look like, or null for anything
     * @param explicit the names, as in {@code generation_config.json}, of what the caller has set
     * @throws IllegalArgumentException when a number is outside of its range
     */
    public GenerationOptions {
        check(maxNewTokens >= 1, "maxNewTokens must be positive: " + maxNewTokens);
        check(minNewTokens >= 0, "minNewTokens must not be negative: " + minNewTokens);
        check(
                temperature >= 0 && temperature <= Float.MAX_VALUE,
                "temperature must be a number not below 0: " + temperature);
        check(topK >= 0, "topK must not be negative: " + topK);
        check(topP > 0 && topP <= 1, "topP must be above 0 and at most 1: " + topP);
        check(minP >= 0 && minP <= 1, "minP must be from 0 to 1: " + minP);
        check(typicalP > 0 && typicalP <= 1, "typicalP must be above 0 and at most 1: " + typicalP);
        check(
                repetitionPenalty > 0 && repetitionPenalty <= Float.MAX_VALUE,
                "repetitionPenalty must be positive: " + repetitionPenalty);
        check(noRepeatNgramSize >= 0, "noRepeatNgramSize must not be negative: " + noRepeatNgramSize);
        check(stopStrings.stream().noneMatch(String::isEmpty), "a stop string must not be empty");
        check(
                numReturnSequences >= 1 && numReturnSequences <= MOST_SEQUENCES,
                "num_return_sequences must be from 1 to " + MOST_SEQUENCES + ": " + numReturnSequences);
        check(
                numBeams >= 1 && numBeams <= MOST_SEQUENCES,
                "num_beams must be from 1 to " + MOST_SEQUENCES + ": " + numBeams);
        check(Math.abs(lengthPenalty) <= 1000, "length_penalty must be from -1000 to 1000: " + lengthPenalty);
        check(logprobs >= -1, "logprobs must not be negative: " + logprobs);
        check(taskId == null || taskId >= 0, "task_id must not be negative: " + taskId);
        stopTokens = stopTokens == null ? null : Set.copyOf(stopTokens);
        stopStrings = List.copyOf(stopStrings);
        explicit = Set.copyOf(explicit);
    }

    private static void check(boolean right, String otherwise) {
        if (!right) {
            throw new IllegalArgumentException(otherwise);
        }
    }

    /**
     * Greedy, up to {@code maxNewTokens}.
     *
     * @param maxNewTokens how many tokens to add at most
     * @return the options
     */
    public static GenerationOptions greedy(int maxNewTokens) {
        return builder().maxNewTokens(maxNewTokens).temperature(0).numBeams(1).build();
    }

    /** {@return a builder with the defaults: greedy, {@value #DEFAULT_MAX_NEW_TOKENS} tokens} */
    public static Builder builder() {
        return new Builder();
    }

    /** {@return a builder that starts from these options} */
    public Builder toBuilder() {
        Builder builder = new Builder();
        builder.maxNewTokens = maxNewTokens;
        builder.minNewTokens = minNewTokens;
        builder.temperature = temperature;
        builder.topK = topK;
        builder.topP = topP;
        builder.minP = minP;
        builder.typicalP = typicalP;
        builder.repetitionPenalty = repetitionPenalty;
        builder.noRepeatNgramSize = noRepeatNgramSize;
        builder.seed = seed;
        builder.stopTokens = stopTokens;
        builder.stopStrings = stopStrings;
        builder.numReturnSequences = numReturnSequences;
        builder.numBeams = numBeams;
        builder.lengthPenalty = lengthPenalty;
        builder.earlyStopping = earlyStopping;
        builder.logprobs = logprobs;
        builder.taskId = taskId;
        builder.grammar = grammar;
        builder.explicit.addAll(explicit);
        return builder;
    }

    /** {@return whether tokens are drawn, not taken} */
    public boolean isSampling() {
        return temperature > 0;
    }

    /** Collects options; what is not set keeps its default. */
    public static final class Builder {

        private int maxNewTokens = DEFAULT_MAX_NEW_TOKENS;
        private int minNewTokens;
        private double temperature;
        private int topK;
        private double topP = 1;
        private double minP;
        private double typicalP = 1;
        private double repetitionPenalty = 1;
        private int noRepeatNgramSize;
        private long seed = 42;
        private @Nullable Set<Integer> stopTokens;
        private List<String> stopStrings = List.of();
        private int numReturnSequences = 1;
        private int numBeams = 1;
        private double lengthPenalty = 1;
        private EarlyStopping earlyStopping = EarlyStopping.HEURISTIC;
        private int logprobs = -1;
        private @Nullable Integer taskId;
        private @Nullable AnswerGrammar grammar;
        private final Set<String> explicit = new HashSet<>();

        private Builder() {}

        private Builder set(String name) {
            explicit.add(name);
            return this;
        }

        /**
         * Limits the length of a continuation.
         *
         * @param value how many tokens to add at most
         * @return this builder
         */
        public Builder maxNewTokens(int value) {
            maxNewTokens = value;
            return set("max_new_tokens");
        }

        /**
         * Keeps a continuation from being shorter.
         *
         * @param value no stop token can come before this many tokens
         * @return this builder
         */
        public Builder minNewTokens(int value) {
            minNewTokens = value;
            return set("min_new_tokens");
        }

        /**
         * Sets how evenly tokens are drawn.
         *
         * @param value what scores are divided by before sampling; 0 is greedy
         * @return this builder
         */
        public Builder temperature(double value) {
            temperature = value;
            return set("temperature");
        }

        /**
         * Draws from the likeliest tokens only, by their number.
         *
         * @param value only this many of the likeliest tokens can be drawn; 0 for all
         * @return this builder
         */
        public Builder topK(int value) {
            topK = value;
            return set("top_k");
        }

        /**
         * Draws from the likeliest tokens only, by their probability together.
         *
         * @param value only the likeliest tokens whose probabilities together reach this can be drawn; 1 for all (Holtzman
         *     et al. 2020)
         * @return this builder
         */
        public Builder topP(double value) {
            topP = value;
            return set("top_p");
        }

        /**
         * Draws from the likeliest tokens only, by their probability beside the largest.
         *
         * @param value only tokens at least this times as likely as the likeliest can be drawn; 0 for all
         * @return this builder
         */
        public Builder minP(double value) {
            minP = value;
            return set("min_p");
        }

        /**
         * Draws from the most typical tokens only.
         *
         * @param value only tokens whose information is closest to the expected one, until their probabilities together
         *     reach this, can be drawn; 1 for all (Meister et al. 2022)
         * @return this builder
         */
        public Builder typicalP(double value) {
            typicalP = value;
            return set("typical_p");
        }

        /**
         * Makes tokens that are there already less likely.
         *
         * @param value what the scores of tokens that are there already are divided by (multiplied where negative); 1 for
         *     none (Keskar et al. 2019)
         * @return this builder
         */
        public Builder repetitionPenalty(double value) {
            repetitionPenalty = value;
            return set("repetition_penalty");
        }

        /**
         * Keeps runs of tokens from coming again.
         *
         * @param value runs of this many tokens occur once only; 0 for no such rule
         * @return this builder
         */
        public Builder noRepeatNgramSize(int value) {
            noRepeatNgramSize = value;
            return set("no_repeat_ngram_size");
        }

        /**
         * Sets the seed.
         *
         * @param value decides what is drawn
         * @return this builder
         */
        public Builder seed(long value) {
            seed = value;
            return set("seed");
        }

        /**
         * Sets the tokens that end a continuation.
         *
         * @param value ids of tokens that end the text; those that the model's own files name unless set
         * @return this builder
         */
        public Builder stopTokens(Set<Integer> value) {
            stopTokens = Objects.requireNonNull(value, "stopTokens");
            return set("eos_token_id");
        }

        /**
         * Sets texts that end a continuation.
         *
         * @param value texts that end the text and do not belong to it
         * @return this builder
         */
        public Builder stopStrings(List<String> value) {
            stopStrings = Objects.requireNonNull(value, "stopStrings");
            return set("stop_strings");
        }

        /**
         * Asks for several continuations of each prompt.
         *
         * @param value from 1 to 1,024
         * @return this builder
         */
        public Builder numReturnSequences(int value) {
            numReturnSequences = value;
            return set("num_return_sequences");
        }

        /**
         * Asks for beam search.
         *
         * @param value sequences that beam search follows, up to 1,024; 1 for no beam search
         * @return this builder
         */
        public Builder numBeams(int value) {
            numBeams = value;
            return set("num_beams");
        }

        /**
         * Sets how beam search weighs lengths.
         *
         * @param value the power of the length that the score of a finished beam is divided by
         * @return this builder
         */
        public Builder lengthPenalty(double value) {
            lengthPenalty = value;
            return set("length_penalty");
        }

        /**
         * Sets when beam search ends.
         *
         * @param value the rule, transformers' {@code early_stopping}
         * @return this builder
         */
        public Builder earlyStopping(EarlyStopping value) {
            earlyStopping = Objects.requireNonNull(value, "earlyStopping");
            return set("early_stopping");
        }

        /**
         * Asks for log-probabilities.
         *
         * @param topN how many of the likeliest tokens to report beside the chosen one; -1 for no report
         * @return this builder
         */
        public Builder logprobs(int topN) {
            logprobs = topN;
            return set("logprobs");
        }

        /**
         * Chooses among the tasks of an adapter that has virtual tokens for several.
         *
         * @param value the number of the task, from 0
         * @return this builder
         */
        public Builder taskId(int value) {
            taskId = value;
            return set("task_id");
        }

        /**
         * Keeps a continuation within a grammar: what cannot come next is not chosen. It ends where it is whole, or is cut off by {@link
         * #maxNewTokens}.
         *
         * @param value such as {@link AnswerGrammar#json()}
         * @return this builder
         */
        public Builder grammar(AnswerGrammar value) {
            grammar = Objects.requireNonNull(value, "grammar");
            return set("grammar");
        }

        /**
         * Makes the options.
         *
         * @return the options
         * @throws IllegalArgumentException when a number is outside of its range
         */
        public GenerationOptions build() {
            return new GenerationOptions(
                    maxNewTokens,
                    minNewTokens,
                    temperature,
                    topK,
                    topP,
                    minP,
                    typicalP,
                    repetitionPenalty,
                    noRepeatNgramSize,
                    seed,
                    stopTokens,
                    stopStrings,
                    numReturnSequences,
                    numBeams,
                    lengthPenalty,
                    earlyStopping,
                    logprobs,
                    taskId,
                    grammar,
                    explicit);
        }
    }
}
