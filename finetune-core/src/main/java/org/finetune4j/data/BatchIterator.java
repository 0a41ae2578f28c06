package org.finetune4j.data;

import com.google.common.util.concurrent.Uninterruptibles;
import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Queue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * Batches in order, made on background threads a few ahead. However many threads there are, and whichever is the first,
 * the batches and their order are the same. An exception in making a batch is thrown by the {@link #next()} that would
 * have returned it, after all batches before it. For use by one thread; close it to end the background threads.
 */
public final class BatchIterator implements Iterator<Batch>, AutoCloseable {

    private final IntFunction<Batch> source;
    private final @Nullable ExecutorService workers;
    private final List<Thread> threads = new CopyOnWriteArrayList<>();
    private final Queue<Future<Batch>> ahead = new ArrayDeque<>();
    private final int end;
    private int nextBatch;
    private int nextSubmitted;
    private volatile boolean closed;

    /**
     * @param workers background threads; with 0 the calling thread makes each batch when it is asked for
     * @param prefetch batches that wait ready for each of them, beside the one that it is making
     */
    BatchIterator(IntFunction<Batch> source, int firstBatch, int end, int workers, int prefetch) {
        this.source = source;
        this.nextBatch = firstBatch;
        this.nextSubmitted = firstBatch;
        this.end = end;
        this.workers = workers == 0 ? null : Executors.newFixedThreadPool(workers, this::thread);
        long most = workers * (prefetch + 1L);
        for (long i = 0; i < most && nextSubmitted < end; i++) {
            submit();
        }
    }

    /**
     * Index in its epoch of the batch that {@link #next()} returns: the place to resume at.
     *
     * @return from 0
     */
    public int nextBatch() {
        return nextBatch;
    }

    @Override
    public boolean hasNext() {
        return !closed && nextBatch < end;
    }

    /**
     * Waits for the next batch. An interrupt does not end the wait; the thread's flag stays set.
     *
     * @throws org.finetune4j.UserErrorException when a sample of this batch is wrong
     */
    @Override
    public Batch next() {
        if (!hasNext()) {
            throw new NoSuchElementException(closed ? "the iterator is closed" : "the epoch is over");
        }
        try {
            Batch batch = workers == null ? source.apply(nextBatch) : await(ahead.remove());
            nextBatch++;
            submit();
            return batch;
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    /** Ends the background threads and waits until they are gone: at most for the samples that they are at. */
    @Override
    public void close() {
        closed = true;
        if (workers == null) {
            return;
        }
        workers.shutdownNow();
        threads.forEach(Uninterruptibles::joinUninterruptibly);
    }

    private void submit() {
        if (workers != null && nextSubmitted < end) {
            int batch = nextSubmitted++;
            ahead.add(workers.submit(() -> source.apply(batch)));
        }
    }

    private Batch await(Future<Batch> made) {
        try {
            return Uninterruptibles.getUninterruptibly(made);
        } catch (ExecutionException e) {
            throw failure(e.getCause());
        } catch (CancellationException e) {
            throw new IllegalStateException("the iterator is closed", e);
        }
    }

    private static RuntimeException failure(@Nullable Throwable failure) {
        if (failure instanceof Error error) {
            throw error;
        }
        return failure instanceof RuntimeException exception ? exception : new IllegalStateException(failure);
    }

    private Thread thread(Runnable work) {
        Thread thread = new Thread(work, "finetune4j-data-loader");
        thread.setDaemon(true);
        threads.add(thread);
        return thread;
    }
}
