package org.finetune4j.generate;

import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * How to continue a text. The defaults are greedy: the most likely token each time.
 *
 * @param maxNewTokens how many tokens to add at most
 * @param temperature what scores are divided by before sampling; 0 is greedy
 * @param topK only this many of the likeliest tokens can be drawn; 0 for all
 * @param topP only the likeliest tokens whose probabilities together reach this can be drawn; 1 for all (Holtzman et al.
 *     2020)
 * @param seed decides what is drawn
 * @param stopTokens tokens that end the text, or null for those that the model's own files name
 */
public record GenerationOptions(
        int maxNewTokens,
        double temperature,
        int topK,
        double topP,
        long seed,
        @Nullable Set<Integer> stopTokens) {

    /** How many tokens are added at most when nothing else is said. */
    public static final int DEFAULT_MAX_NEW_TOKENS = 128;

    public GenerationOptions {
        if (maxNewTokens < 1) {
            throw new IllegalArgumentException("maxNewTokens must be positive: " + maxNewTokens);
        }
        if (!(temperature >= 0)) {
            throw new IllegalArgumentException("temperature must not be negative: " + temperature);
        }
        if (topK < 0) {
            throw new IllegalArgumentException("topK must not be negative: " + topK);
        }
        if (!(topP > 0 && topP <= 1)) {
            throw new IllegalArgumentException("topP must be above 0 and at most 1: " + topP);
        }
        stopTokens = stopTokens == null ? null : Set.copyOf(stopTokens);
    }

    /** Greedy, up to {@code maxNewTokens}. */
    public static GenerationOptions greedy(int maxNewTokens) {
        return builder().maxNewTokens(maxNewTokens).build();
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Collects options; what is not set keeps its default. */
    public static final class Builder {

        private int maxNewTokens = DEFAULT_MAX_NEW_TOKENS;
        private double temperature;
        private int topK;
        private double topP = 1;
        private long seed = 42;
        private @Nullable Set<Integer> stopTokens;

        private Builder() {}

        public Builder maxNewTokens(int value) {
            maxNewTokens = value;
            return this;
        }

        public Builder temperature(double value) {
            temperature = value;
            return this;
        }

        public Builder topK(int value) {
            topK = value;
            return this;
        }

        public Builder topP(double value) {
            topP = value;
            return this;
        }

        public Builder seed(long value) {
            seed = value;
            return this;
        }

        public Builder stopTokens(Set<Integer> value) {
            stopTokens = value;
            return this;
        }

        public GenerationOptions build() {
            return new GenerationOptions(maxNewTokens, temperature, topK, topP, seed, stopTokens);
        }
    }
}
