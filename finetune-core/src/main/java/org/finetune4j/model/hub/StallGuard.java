package org.finetune4j.model.hub;

import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;

/** Closes a stream from which nothing came for long, because a read from it would wait for ever. */
final class StallGuard implements AutoCloseable {

    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private final Thread thread;
    private volatile long lastByte = System.nanoTime();

    private StallGuard(InputStream stream) {
        thread = new Thread(() -> watchOver(stream), "hub-stall-guard");
        thread.setDaemon(true);
    }

    static StallGuard watch(InputStream stream) {
        StallGuard guard = new StallGuard(stream);
        guard.thread.start();
        return guard;
    }

    /** Something came. */
    void alive() {
        lastByte = System.nanoTime();
    }

    private void watchOver(InputStream stream) {
        try {
            for (long left = PATIENCE.toNanos(); left > 0; left = lastByte + PATIENCE.toNanos() - System.nanoTime()) {
                Thread.sleep(Duration.ofNanos(left).toMillis() + 1);
            }
            stream.close();
        } catch (InterruptedException | IOException e) {
            // The transfer ended, or the stream was broken already.
        }
    }

    @Override
    public void close() {
        thread.interrupt();
    }
}
