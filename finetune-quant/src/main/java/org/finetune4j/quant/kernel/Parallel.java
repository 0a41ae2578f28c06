package org.finetune4j.quant.kernel;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.finetune4j.tensor.Torch;
import org.jspecify.annotations.Nullable;

/**
 * Splits a loop over as many threads as libtorch uses. Every thread takes the next piece when it has done one, and the
 * calling thread takes pieces, too: a thread that the system does not run at once delays nothing.
 */
public final class Parallel {

    /** Pieces for each thread: enough that no thread waits long for another one's last piece. */
    private static final int PIECES_PER_THREAD = 4;

    private static final int SPINS = 2000;
    private static final long PAUSE_NANOSECONDS = 20_000;

    private static final ExecutorService WORKERS = Executors.newCachedThreadPool(task -> {
        Thread thread = new Thread(task, "finetune4j-kernel");
        thread.setDaemon(true);
        return thread;
    });

    private Parallel() {}

    /** A part of a loop. */
    @FunctionalInterface
    public interface Range {
        /**
         * Runs the loop from {@code begin} to {@code end}, which is not part of it.
         *
         * @param begin first round
         * @param end the round after the last one
         */
        void run(long begin, long end);
    }

    /**
     * Runs a loop in parts.
     *
     * @param count how often the loop runs
     * @param grain fewest rounds worth a thread
     * @param range runs a part; called by several threads at once
     */
    public static void run(long count, long grain, Range range) {
        long threads = Math.max(1, Math.min(Torch.threads(), count / Math.max(1, grain)));
        if (threads == 1) {
            range.run(0, count);
            return;
        }
        long pieces = Math.min(threads * PIECES_PER_THREAD, count / Math.max(1, grain));
        Loop loop = new Loop(count, (count + pieces - 1) / pieces, range);
        for (long thread = 1; thread < threads; thread++) {
            WORKERS.execute(loop);
        }
        loop.run();
        loop.await();
    }

    /** A loop whose pieces are given to threads that ask for them; a thread that asks when all are given has nothing to do. */
    private static final class Loop implements Runnable {

        private final long count;
        private final long piece;
        private final Range range;
        private final AtomicLong next = new AtomicLong();
        private final AtomicLong done = new AtomicLong();
        private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();

        Loop(long count, long piece, Range range) {
            this.count = count;
            this.piece = piece;
            this.range = range;
        }

        @Override
        public void run() {
            for (long begin = next.getAndAdd(piece); begin < count; begin = next.getAndAdd(piece)) {
                long end = Math.min(count, begin + piece);
                try {
                    range.run(begin, end);
                } catch (RuntimeException | Error e) {
                    failure.compareAndSet(null, e);
                }
                done.addAndGet(end - begin);
            }
        }

        /** Every piece must have ended before the memory it works on may go. */
        void await() {
            for (int spin = 0; done.get() < count; spin++) {
                if (spin < SPINS) {
                    Thread.onSpinWait();
                } else {
                    LockSupport.parkNanos(PAUSE_NANOSECONDS);
                }
            }
            Throwable thrown = failure.get();
            if (thrown instanceof Error error) {
                throw error;
            }
            if (thrown instanceof RuntimeException exception) {
                throw exception;
            }
        }
    }
}
