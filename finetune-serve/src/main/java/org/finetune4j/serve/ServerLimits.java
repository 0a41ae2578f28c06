package org.finetune4j.serve;

import java.time.Duration;
import java.util.function.Consumer;

/**
 * What a server may use, and what one request may ask for.
 *
 * @param maxRows answers that are computed at once
 * @param cacheBytes what keys and values may take
 * @param prefixBytes how much of that may be kept for requests that begin as an earlier one of their tenant did; 0: nothing
 * @param maxQueued requests that wait for their turn; tenants share this evenly
 * @param requestTimeout how long a request may take from its arrival to its end
 * @param maxBodyBytes the largest body of a request
 * @param maxChoices answers that one request may ask for, all its prompts together
 * @param maxTokens tokens that one answer may have; the model's context is a limit of its own
 * @param adapterBytes what adapters in memory may take
 */
public record ServerLimits(
        int maxRows,
        long cacheBytes,
        long prefixBytes,
        int maxQueued,
        Duration requestTimeout,
        long maxBodyBytes,
        int maxChoices,
        int maxTokens,
        long adapterBytes) {

    /**
     * Checks the numbers.
     *
     * @param maxRows answers that are computed at once
     * @param cacheBytes what keys and values may take
     * @param prefixBytes how much of that may be kept for later requests
     * @param maxQueued requests that wait for their turn
     * @param requestTimeout how long a request may take
     * @param maxBodyBytes the largest body of a request
     * @param maxChoices answers that one request may ask for
     * @param maxTokens tokens that one answer may have
     * @param adapterBytes what adapters in memory may take
     * @throws IllegalArgumentException when one is not positive, {@code prefixBytes} is negative, or {@code maxChoices} more than {@code
     *     maxRows}
     */
    public ServerLimits {
        if (maxRows < 1
                || cacheBytes < 1
                || prefixBytes < 0
                || maxQueued < 1
                || requestTimeout.isNegative()
                || requestTimeout.isZero()
                || maxBodyBytes < 1
                || maxChoices < 1
                || maxTokens < 1
                || adapterBytes < 1) {
            throw new IllegalArgumentException("limits of a server must be positive");
        }
        if (maxChoices > maxRows) { // such a request would wait for ever, and all behind it
            throw new IllegalArgumentException(
                    "maxChoices is " + maxChoices + ", more than the " + maxRows + " rows that there are");
        }
    }

    /** {@return 32 rows in 2 GiB, a quarter of it for later requests, 256 requests that wait, ten minutes, 4 MiB a body, 1 GiB of adapters} */
    public static ServerLimits defaults() {
        return new ServerLimits(
                32, 2L << 30, 512L << 20, 256, Duration.ofMinutes(10), 4L << 20, 32, Integer.MAX_VALUE, 1L << 30);
    }

    /**
     * The same with another number of answers at once.
     *
     * @param rows answers that are computed at once, and that one request may ask for
     * @return the limits
     */
    public ServerLimits withMaxRows(int rows) {
        return with(draft -> {
            draft.maxRows = rows;
            draft.maxChoices = rows;
        });
    }

    /**
     * The same with another limit of keys and values.
     *
     * @param bytes what they may take
     * @return the limits
     */
    public ServerLimits withCacheBytes(long bytes) {
        return with(draft -> draft.cacheBytes = bytes);
    }

    /**
     * The same with another limit of what is kept for later requests.
     *
     * @param bytes of the keys and values of beginnings of texts; 0: nothing is kept
     * @return the limits
     */
    public ServerLimits withPrefixBytes(long bytes) {
        return with(draft -> draft.prefixBytes = bytes);
    }

    /**
     * The same with another queue.
     *
     * @param requests that wait for their turn
     * @return the limits
     */
    public ServerLimits withMaxQueued(int requests) {
        return with(draft -> draft.maxQueued = requests);
    }

    /**
     * The same with another time for a request.
     *
     * @param timeout from its arrival to its end
     * @return the limits
     */
    public ServerLimits withRequestTimeout(Duration timeout) {
        return with(draft -> draft.requestTimeout = timeout);
    }

    /**
     * The same with another size of bodies.
     *
     * @param bytes of the largest body
     * @return the limits
     */
    public ServerLimits withMaxBodyBytes(long bytes) {
        return with(draft -> draft.maxBodyBytes = bytes);
    }

    /**
     * The same with another length of answers.
     *
     * @param tokens that one answer may have
     * @return the limits
     */
    public ServerLimits withMaxTokens(int tokens) {
        return with(draft -> draft.maxTokens = tokens);
    }

    /**
     * The same with another limit of adapters.
     *
     * @param bytes that adapters in memory may take
     * @return the limits
     */
    public ServerLimits withAdapterBytes(long bytes) {
        return with(draft -> draft.adapterBytes = bytes);
    }

    private ServerLimits with(Consumer<Draft> change) {
        Draft draft = new Draft(this);
        change.accept(draft);
        return draft.limits();
    }

    /** The numbers while one of them is changed. */
    private static final class Draft {
        private int maxRows;
        private long cacheBytes;
        private long prefixBytes;
        private int maxQueued;
        private Duration requestTimeout;
        private long maxBodyBytes;
        private int maxChoices;
        private int maxTokens;
        private long adapterBytes;

        private Draft(ServerLimits limits) {
            maxRows = limits.maxRows;
            cacheBytes = limits.cacheBytes;
            prefixBytes = limits.prefixBytes;
            maxQueued = limits.maxQueued;
            requestTimeout = limits.requestTimeout;
            maxBodyBytes = limits.maxBodyBytes;
            maxChoices = limits.maxChoices;
            maxTokens = limits.maxTokens;
            adapterBytes = limits.adapterBytes;
        }

        private ServerLimits limits() {
            return new ServerLimits(
                    maxRows,
                    cacheBytes,
                    prefixBytes,
                    maxQueued,
                    requestTimeout,
                    maxBodyBytes,
                    maxChoices,
                    maxTokens,
                    adapterBytes);
        }
    }
}
