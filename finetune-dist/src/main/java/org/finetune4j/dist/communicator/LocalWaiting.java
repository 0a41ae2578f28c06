package org.finetune4j.dist.communicator;

import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/** How a thread rank waits for others of its group: not for those who have left, nor for ever. The caller holds the group's lock. */
final class LocalWaiting {

    /** What happens in another group of the world is seen no later than that. */
    private static final long LOOK_AROUND_MILLISECONDS = 20;

    private final LocalWorld world;
    private final int[] names;
    private final Object lock;
    private final boolean[] left;

    LocalWaiting(LocalWorld world, int[] names, Object lock) {
        this.world = world;
        this.names = names;
        this.lock = lock;
        this.left = new boolean[names.length];
    }

    LocalWorld world() {
        return world;
    }

    Object lock() {
        return lock;
    }

    String name(int rank) {
        return "rank " + names[rank];
    }

    CommunicationException failure(int rank, String what) {
        return world.failure(names[rank], what);
    }

    /** Marks a rank that comes no more. */
    void leave(int rank) {
        left[rank] = true;
    }

    /** Whether all ranks have left. */
    boolean isDeserted() {
        for (boolean each : left) {
            if (!each) {
                return false;
            }
        }
        return true;
    }

    /**
     * Waits until something is so or the world has failed; makes it fail when those who are waited for have left, do not come in time, or
     * the thread is interrupted.
     *
     * @param reached what is waited for
     * @param rank who waits
     * @param what it does
     * @param awaited for which ranks
     */
    void until(BooleanSupplier reached, int rank, String what, Supplier<List<Integer>> awaited) {
        long start = System.nanoTime();
        while (!reached.getAsBoolean() && !world.hasFailed()) {
            List<Integer> others = awaited.get();
            List<Integer> gone = others.stream().filter(other -> left[other]).toList();
            if (!gone.isEmpty()) {
                world.fail(names(gone) + " left the group while " + name(rank) + " waited in " + what);
            } else if (System.nanoTime() - start >= world.timeout().toNanos()) {
                world.fail(names(others) + " did not come to " + what + ": " + name(rank) + " waited "
                        + world.timeout().toMillis() / 1000.0 + " s");
            } else if (!pause()) {
                world.fail(name(rank) + " was interrupted in " + what);
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Waits until something is so that takes no long time. */
    void uninterruptibly(BooleanSupplier reached) {
        boolean interrupted = false;
        while (!reached.getAsBoolean()) {
            interrupted |= !pause();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    @SuppressWarnings("WaitNotInLoop") // whoever calls it looks again
    private boolean pause() {
        try {
            lock.wait(LOOK_AROUND_MILLISECONDS);
            return true;
        } catch (InterruptedException e) {
            return false;
        }
    }

    private String names(List<Integer> ranks) {
        return ranks.stream().map(this::name).collect(Collectors.joining(", "));
    }
}
