package org.finetune4j.dist.communicator;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.finetune4j.FinetuneException;
import org.finetune4j.Reasons;
import org.jspecify.annotations.Nullable;

/** Runs one body on several ranks, each a thread of this process. */
public final class LocalRanks {

    private LocalRanks() {}

    /** What a rank does. */
    @FunctionalInterface
    public interface Body {
        /**
         * Does it.
         *
         * @param rank this rank among the others; closed by the caller
         * @throws Exception for whatever reason; the other ranks end
         */
        void run(Communicator rank) throws Exception;
    }

    /**
     * What a rank finds out.
     *
     * @param <T> what is found
     */
    @FunctionalInterface
    public interface Task<T extends @Nullable Object> {
        /**
         * Finds it.
         *
         * @param rank this rank among the others; closed by the caller
         * @return what is found
         * @throws Exception for whatever reason; the other ranks end
         */
        T call(Communicator rank) throws Exception;
    }

    /**
     * Runs a body on every rank and waits for all. When one fails, the others end, and its exception is thrown: unchecked ones as they
     * are.
     *
     * @param size how many ranks
     * @param timeout how long a rank waits for another in an operation
     * @param body what each does
     */
    public static void run(int size, Duration timeout, Body body) {
        call(size, timeout, rank -> {
            body.run(rank);
            return Boolean.TRUE;
        });
    }

    /**
     * Runs a task on every rank and waits for all. When one fails, the others end, and its exception is thrown: unchecked ones as they
     * are.
     *
     * @param size how many ranks
     * @param timeout how long a rank waits for another in an operation
     * @param task what each does
     * @param <T> what is found
     * @return what each has found, in the order of the ranks
     */
    public static <T extends @Nullable Object> List<T> call(int size, Duration timeout, Task<T> task) {
        AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
        List<@Nullable T> results = new ArrayList<>(Collections.nCopies(size, null));
        List<Thread> threads = new ArrayList<>();
        List<Communicator> ranks = LocalCommunicator.group(size, timeout);
        for (Communicator rank : ranks) {
            Thread thread = new Thread(
                    () -> {
                        try (rank) {
                            results.set(rank.rank(), outcome(rank, task, failure));
                        }
                    },
                    "rank " + rank.rank());
            thread.start();
            threads.add(thread);
        }
        join(threads, ranks.get(0));
        rethrow(failure.get());
        @SuppressWarnings("unchecked") // every rank has set its place
        List<T> complete = (List<T>) (List<?>) results;
        return complete;
    }

    /** Others are told why this one failed before they are told that it has left. */
    private static <T extends @Nullable Object> @Nullable T outcome(
            Communicator rank, Task<T> task, AtomicReference<@Nullable Throwable> failure) {
        try {
            return task.call(rank);
        } catch (Throwable e) {
            keepTheCause(failure, e);
            rank.abort(Reasons.of(e));
            return null;
        }
    }

    /** The first failure counts, but not one that only says that another has failed. */
    private static void keepTheCause(AtomicReference<@Nullable Throwable> failure, Throwable next) {
        failure.accumulateAndGet(
                next,
                (first, later) -> first == null
                                || (first instanceof CommunicationException
                                        && !(later instanceof CommunicationException))
                        ? later
                        : first);
    }

    private static void join(List<Thread> threads, Communicator anyRank) {
        boolean interrupted = false;
        for (Thread thread : threads) {
            while (thread.isAlive()) {
                try {
                    thread.join();
                } catch (InterruptedException e) {
                    interrupted = true;
                    anyRank.abort("interrupted");
                    threads.forEach(Thread::interrupt);
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static void rethrow(@Nullable Throwable failure) {
        if (failure instanceof RuntimeException e) {
            throw e;
        }
        if (failure instanceof Error e) {
            throw e;
        }
        if (failure != null) {
            throw new FinetuneException("a rank failed: " + Reasons.of(failure), failure);
        }
    }
}
