package org.finetune4j.data;

import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * Batches in order, made on a background thread a few ahead. An exception in making a batch is thrown by the
 * {@link #next()} that would have returned it, after all batches before it. For use by one thread; close it to end the
 * background thread.
 */
public final class BatchIterator implements Iterator<Batch>, AutoCloseable {

    /** A batch, or why there is none. */
    private record Outcome(@Nullable Batch batch, @Nullable Throwable failure) {}

    private final BlockingQueue<Outcome> ready;
    private final Thread thread;
    private final int end;
    private int nextBatch;
    private volatile boolean closed;

    BatchIterator(IntFunction<Batch> source, int firstBatch, int end, int prefetch) {
        this.nextBatch = firstBatch;
        this.end = end;
        this.ready = new ArrayBlockingQueue<>(prefetch);
        this.thread = new Thread(() -> produce(source, firstBatch), "finetune4j-data-loader");
        thread.setDaemon(true);
        thread.start();
    }

    /** Index in its epoch of the batch that {@link #next()} returns: the place to resume at. */
    public int nextBatch() {
        return nextBatch;
    }

    @Override
    public boolean hasNext() {
        return !closed && nextBatch < end;
    }

    /**
     * Waits for the next batch.
     *
     * @throws org.finetune4j.UserErrorException when a sample of this batch is wrong
     * @throws IllegalStateException when the waiting thread is interrupted; its interrupt flag stays set
     */
    @Override
    public Batch next() {
        if (!hasNext()) {
            throw new NoSuchElementException(closed ? "the iterator is closed" : "the epoch is over");
        }
        Outcome outcome;
        try {
            outcome = ready.take();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while waiting for a batch", e);
        }
        Batch batch = outcome.batch();
        if (batch == null) {
            close();
            throw failure(outcome);
        }
        nextBatch++;
        return batch;
    }

    /** Ends the background thread and waits until it is gone: at most for the sample that it is at. */
    @Override
    public void close() {
        closed = true;
        thread.interrupt();
        boolean interrupted = false;
        while (true) {
            try {
                thread.join();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void produce(IntFunction<Batch> source, int firstBatch) {
        try {
            for (int batch = firstBatch; batch < end && !closed; batch++) {
                Outcome outcome;
                try {
                    outcome = new Outcome(source.apply(batch), null);
                } catch (RuntimeException | Error e) {
                    outcome = new Outcome(null, e);
                }
                ready.put(outcome);
                if (outcome.failure() != null) {
                    return;
                }
            }
        } catch (InterruptedException e) {
            // Closed: nobody waits for more.
        }
    }

    private static RuntimeException failure(Outcome outcome) {
        Throwable failure = Objects.requireNonNull(outcome.failure());
        if (failure instanceof Error error) {
            throw error;
        }
        return (RuntimeException) failure;
    }
}
