package org.finetune4j.dist.communicator;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** What the groups of one set of thread ranks share: how long they wait for each other, and why they cannot go on. */
final class LocalWorld {

    private final Duration timeout;
    private volatile @Nullable String failure;

    LocalWorld(Duration timeout) {
        this.timeout = timeout;
    }

    Duration timeout() {
        return timeout;
    }

    /** Ends all groups; the first reason stays. */
    synchronized void fail(String reason) {
        if (failure == null) {
            failure = reason;
        }
    }

    boolean hasFailed() {
        return failure != null;
    }

    /**
     * Tells a rank that it cannot go on.
     *
     * @param rank who is told
     * @param what it was doing
     */
    CommunicationException failure(int rank, String what) {
        return new CommunicationException("rank " + rank + " in " + what + ": " + failure);
    }
}
