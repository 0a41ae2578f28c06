package org.finetune4j.model.hub;

import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;

/** Closes a stream from which little came for long: a read from it could wait for ever, a drop at a time. */
final class StallGuard implements AutoCloseable {

    private static final Duration PATIENCE = Duration.ofSeconds(60);

    /** What has to come in that time: a kilobyte a second. */
    private static final long LEAST_BYTES = PATIENCE.toSeconds() * 1024;

    private final Thread thread;
    private final AtomicLong received = new AtomicLong();

    private StallGuard(InputStream stream, Duration patience) {
        thread = new Thread(() -> watchOver(stream, patience), "hub-stall-guard");
        thread.setDaemon(true);
    }

    static StallGuard watch(InputStream stream) {
        return watch(stream, PATIENCE);
    }

    static StallGuard watch(InputStream stream, Duration patience) {
        StallGuard guard = new StallGuard(stream, patience);
        guard.thread.start();
        return guard;
    }

    /** Something came. */
    void received(int bytes) {
        received.addAndGet(bytes);
    }

    private void watchOver(InputStream stream, Duration patience) {
        try {
            do {
                Thread.sleep(patience.toMillis());
            } while (received.getAndSet(0) >= LEAST_BYTES);
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
