package org.finetune4j.langchain4j;

import com.google.common.util.concurrent.Uninterruptibles;
import org.finetune4j.generate.GenerationEngine;
import org.finetune4j.generate.GenerationHandle;
import org.finetune4j.generate.GenerationRequest;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Computes all answers in one batch, on one thread, as long as there are some. */
final class EngineThread implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(EngineThread.class);

    private final GenerationEngine engine;
    private final Thread thread;
    private boolean work;
    private volatile boolean closed;

    EngineThread(GenerationEngine engine) {
        this.engine = engine;
        this.thread = new Thread(this::compute, "finetune4j-chat");
        thread.setDaemon(true);
        thread.start();
    }

    GenerationHandle submit(GenerationRequest request) {
        GenerationHandle handle = engine.submit(request);
        synchronized (this) {
            work = true;
            notifyAll();
        }
        return handle;
    }

    private void compute() {
        while (awaitWork()) {
            try {
                boolean more = true;
                while (more && !closed) {
                    more = engine.step();
                }
            } catch (RuntimeException | OutOfMemoryError | StackOverflowError e) {
                LOG.error("a pass failed; the answers under way end", e);
                engine.reset();
            }
        }
    }

    private synchronized boolean awaitWork() {
        try {
            while (!work && !closed) {
                wait();
            }
        } catch (InterruptedException e) {
            return false;
        }
        work = false;
        return !closed;
    }

    /** Cancels what is under way. */
    @Override
    public void close() {
        synchronized (this) {
            closed = true;
            notifyAll();
        }
        Uninterruptibles.joinUninterruptibly(thread);
        engine.close();
    }
}
