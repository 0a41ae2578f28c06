package org.finetune4j.quant.kernel;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.finetune4j.tensor.Torch;
import org.jspecify.annotations.Nullable;

/** Splits a loop over as many threads as libtorch uses; the calling thread takes one part. */
public final class Parallel {

    private static final ExecutorService WORKERS = Executors.newCachedThreadPool(task -> {
        Thread thread = new Thread(task, "finetune4j-kernel");
        thread.setDaemon(true);
        return thread;
    });

    private Parallel() {}

    /** A part of a loop. */
    @FunctionalInterface
    public interface Range {
        /** Runs the loop from {@code begin} to {@code end}, which is not part of it. */
        void run(long begin, long end);
    }

    /**
     * Runs a loop in parts.
     *
     * @param count how often the loop runs
     * @param grain fewest rounds worth a thread
     */
    public static void run(long count, long grain, Range range) {
        long parts = Math.max(1, Math.min(Torch.threads(), count / Math.max(1, grain)));
        if (parts == 1) {
            range.run(0, count);
            return;
        }
        List<Future<?>> others = new ArrayList<>();
        long size = (count + parts - 1) / parts;
        for (long part = 1; part < parts; part++) {
            long begin = Math.min(count, part * size);
            long end = Math.min(count, begin + size);
            others.add(WORKERS.submit(() -> range.run(begin, end)));
        }
        RuntimeException failure = null;
        try {
            range.run(0, size);
        } catch (RuntimeException e) {
            failure = e;
        }
        // Every part must have ended before the memory it works on may go.
        for (Future<?> other : others) {
            RuntimeException otherFailure = await(other);
            failure = failure == null ? otherFailure : failure;
        }
        if (failure != null) {
            throw failure;
        }
    }

    private static @Nullable RuntimeException await(Future<?> part) {
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    part.get();
                    return null;
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (ExecutionException e) {
                    return e.getCause() instanceof RuntimeException runtime
                            ? runtime
                            : new IllegalStateException(e.getCause());
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
