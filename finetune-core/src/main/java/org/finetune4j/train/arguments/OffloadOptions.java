package org.finetune4j.train.arguments;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * What a training keeps in files in the place of memory (Rajbhandari et al. 2021, ZeRO-Infinity): what this process has of it, a
 * rank its part. It changes no result.
 *
 * @param optimizer the directory of the optimizer's states and masters, or null for memory
 * @param parameters the directory of weights, frozen ones too, or null for memory
 * @param residentBytes most of either that stays in memory while others are in use
 */
public record OffloadOptions(
        @Nullable Path optimizer, @Nullable Path parameters, long residentBytes) {

    private static final long USUAL = 64L << 20;

    /** Everything is in memory. */
    public static final OffloadOptions NONE = to(null, null);

    /**
     * Offloading that keeps 64 MB of either in memory.
     *
     * @param optimizer the directory of the optimizer's states, or null for memory
     * @param parameters the directory of weights, or null for memory
     * @return the options
     */
    public static OffloadOptions to(@Nullable Path optimizer, @Nullable Path parameters) {
        return new OffloadOptions(optimizer, parameters, USUAL);
    }
}
