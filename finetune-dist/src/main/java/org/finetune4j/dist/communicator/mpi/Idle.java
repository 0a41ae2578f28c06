package org.finetune4j.dist.communicator.mpi;

import java.util.concurrent.locks.LockSupport;

/** What a thread does between two looks at something that will soon be there: first little, then less and less often. */
final class Idle {

    private static final int SPINS = 50;
    private static final int YIELDS = 500;
    private static final long SHORTEST_NANOSECONDS = 20_000;
    private static final long LONGEST_NANOSECONDS = 500_000;

    private int looks;

    /** Something has happened. */
    void reset() {
        looks = 0;
    }

    /** Nothing has. */
    @SuppressWarnings("ThreadPriorityCheck") // only politeness: other ranks may need this processor
    void rest() {
        looks++;
        if (looks <= SPINS) {
            Thread.onSpinWait();
        } else if (looks <= YIELDS) {
            Thread.yield();
        } else {
            LockSupport.parkNanos(Math.min(LONGEST_NANOSECONDS, SHORTEST_NANOSECONDS * (looks - YIELDS) / 10));
        }
    }
}
