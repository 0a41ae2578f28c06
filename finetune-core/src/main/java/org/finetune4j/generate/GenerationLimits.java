package org.finetune4j.generate;

/**
 * What a {@link GenerationEngine} may use. What does not fit waits.
 *
 * @param maxRows answers that are computed at once
 * @param cacheBytes what keys and values may take; while a row's room grows, the old room of one layer is there beside
 * @param tokensPerPass tokens that go through the model together, one of each running answer at least: longer prompts are
 *     read in parts
 */
public record GenerationLimits(int maxRows, long cacheBytes, int tokensPerPass) {

    /**
     * Checks the numbers.
     *
     * @param maxRows answers that are computed at once
     * @param cacheBytes what keys and values may take
     * @param tokensPerPass tokens that go through the model together
     * @throws IllegalArgumentException when one is not positive
     */
    public GenerationLimits {
        if (maxRows < 1 || cacheBytes < 1 || tokensPerPass < 1) {
            throw new IllegalArgumentException(
                    "rows, bytes and tokens must be positive: " + maxRows + ", " + cacheBytes + ", " + tokensPerPass);
        }
    }

    /** {@return 64 rows, 2,048 tokens a pass, and as many bytes as those need} */
    public static GenerationLimits defaults() {
        return new GenerationLimits(64, Long.MAX_VALUE, 2048);
    }

    /**
     * The same with another number of rows.
     *
     * @param rows answers that are computed at once
     * @return the limits
     */
    public GenerationLimits withMaxRows(int rows) {
        return new GenerationLimits(rows, cacheBytes, tokensPerPass);
    }

    /**
     * The same with another limit of the cache.
     *
     * @param bytes what keys and values may take
     * @return the limits
     */
    public GenerationLimits withCacheBytes(long bytes) {
        return new GenerationLimits(maxRows, bytes, tokensPerPass);
    }

    /**
     * The same with another size of a pass.
     *
     * @param tokens that go through the model together
     * @return the limits
     */
    public GenerationLimits withTokensPerPass(int tokens) {
        return new GenerationLimits(maxRows, cacheBytes, tokens);
    }
}
