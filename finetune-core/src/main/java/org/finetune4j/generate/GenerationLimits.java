package org.finetune4j.generate;

import org.finetune4j.nn.PackedWeights;

/**
 * What a {@link GenerationEngine} may use. What does not fit waits.
 *
 * @param maxRows answers that are computed at once
 * @param cacheBytes what keys and values may take; while a row's room grows, the old room of one layer is there beside
 * @param prefixBytes how much of that may be kept of texts that are no longer computed, for requests that begin with the same
 *     tokens and have an equal {@link GenerationRequest#sharing()}; 0: nothing. What answers need comes first. With more than 0 the
 *     model's weights must not change while the engine is open, or {@link GenerationEngine#reset()} is called
 * @param tokensPerPass tokens that go through the model together, one of each running answer at least: longer prompts are
 *     read in parts
 * @param packedBytes what copies of weights may take that decoding multiplies faster with, where the processor is of that kind; 0:
 *     none
 */
public record GenerationLimits(int maxRows, long cacheBytes, long prefixBytes, int tokensPerPass, long packedBytes) {

    /**
     * Checks the numbers.
     *
     * @param maxRows answers that are computed at once
     * @param cacheBytes what keys and values may take
     * @param prefixBytes how much of that may be kept for later requests
     * @param tokensPerPass tokens that go through the model together
     * @param packedBytes what copies of weights may take
     * @throws IllegalArgumentException when one is not positive, or {@code prefixBytes} or {@code packedBytes} is negative
     */
    public GenerationLimits {
        if (maxRows < 1 || cacheBytes < 1 || tokensPerPass < 1) {
            throw new IllegalArgumentException(
                    "rows, bytes and tokens must be positive: " + maxRows + ", " + cacheBytes + ", " + tokensPerPass);
        }
        if (prefixBytes < 0 || packedBytes < 0) {
            throw new IllegalArgumentException(
                    "bytes of prefixes and of weights cannot be negative: " + prefixBytes + ", " + packedBytes);
        }
    }

    /**
     * {@return 64 rows, 2,048 tokens a pass, as many bytes as those need, nothing kept for later requests, and as many copies of
     * weights as {@link PackedWeights#usualBytes()} has room for}
     */
    public static GenerationLimits defaults() {
        return new GenerationLimits(64, Long.MAX_VALUE, 0, 2048, PackedWeights.usualBytes());
    }

    /**
     * The same with another number of rows.
     *
     * @param rows answers that are computed at once
     * @return the limits
     */
    public GenerationLimits withMaxRows(int rows) {
        return new GenerationLimits(rows, cacheBytes, prefixBytes, tokensPerPass, packedBytes);
    }

    /**
     * The same with another limit of the cache.
     *
     * @param bytes what keys and values may take
     * @return the limits
     */
    public GenerationLimits withCacheBytes(long bytes) {
        return new GenerationLimits(maxRows, bytes, prefixBytes, tokensPerPass, packedBytes);
    }

    /**
     * The same with another limit of what is kept for later requests.
     *
     * @param bytes of the keys and values of beginnings of texts; 0: nothing is kept
     * @return the limits
     */
    public GenerationLimits withPrefixBytes(long bytes) {
        return new GenerationLimits(maxRows, cacheBytes, bytes, tokensPerPass, packedBytes);
    }

    /**
     * The same with another size of a pass.
     *
     * @param tokens that go through the model together
     * @return the limits
     */
    public GenerationLimits withTokensPerPass(int tokens) {
        return new GenerationLimits(maxRows, cacheBytes, prefixBytes, tokens, packedBytes);
    }

    /**
     * The same with another limit of packed weights.
     *
     * @param bytes what copies of weights may take; 0: none
     * @return the limits
     */
    public GenerationLimits withPackedBytes(long bytes) {
        return new GenerationLimits(maxRows, cacheBytes, prefixBytes, tokensPerPass, bytes);
    }
}
