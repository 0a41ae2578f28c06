package org.finetune4j.model;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Counts the threads that are inside a model, so that none of them loses the memory it works on. Any number may be inside at
 * once; who frees or exchanges weights is alone.
 */
final class ModelUse {

    private final Map<Thread, Integer> inside = new HashMap<>();
    private int holding;
    private int waiting;
    private @Nullable Thread alone;
    private @Nullable Thread training;
    private int trainings;
    private boolean closed;
    private long changes;

    /** Lets the calling thread in, after whoever is alone has left. A thread that is inside may come in again. */
    synchronized CausalLM.Entry enter() {
        Thread thread = Thread.currentThread();
        if (!inside.containsKey(thread) && alone != thread) {
            await(() -> closed || (alone == null && waiting == 0));
            if (closed) {
                throw closed();
            }
        }
        inside.merge(thread, 1, Integer::sum);
        return () -> leave(thread);
    }

    private synchronized void leave(Thread thread) {
        inside.computeIfPresent(thread, (key, entries) -> entries == 1 ? null : entries - 1);
        notifyAll();
    }

    /** Keeps the model from being freed, whoever changes it meanwhile. */
    synchronized CausalLM.Entry hold() {
        if (closed) {
            throw closed();
        }
        holding++;
        return this::letGo;
    }

    private synchronized void letGo() {
        holding--;
        notifyAll();
    }

    /** Keeps trainings of other threads out: two would add to, and clear, the same gradients. */
    synchronized CausalLM.Entry train() {
        Thread thread = Thread.currentThread();
        if (training != null && training != thread) {
            throw new IllegalStateException("another training of this model is under way: train one after the other");
        }
        training = thread;
        trainings++; // a training prepares itself, and may look at another before
        return this::endTraining;
    }

    private synchronized void endTraining() {
        changes++;
        if (--trainings == 0) {
            training = null;
        }
    }

    /** How often somebody was alone, or trained. */
    synchronized long changes() {
        return changes;
    }

    /** Runs {@code action} when no other thread is inside, and lets none in before it is done. */
    void alone(Runnable action) {
        Thread thread = Thread.currentThread();
        if (!begin(thread)) {
            action.run(); // by a thread that is alone already
            return;
        }
        try {
            action.run();
        } finally {
            end();
        }
    }

    private synchronized boolean begin(Thread thread) {
        if (alone == thread) {
            return false;
        }
        if (inside.containsKey(thread) && (inside.size() > 1 || alone != null)) {
            // Two threads that are inside would wait for each other.
            throw new IllegalStateException("another thread is computing with this model: it cannot be changed now");
        }
        waiting++;
        try {
            await(() -> alone == null && othersInside(thread) == 0);
        } finally {
            waiting--;
            notifyAll();
        }
        alone = thread;
        return true;
    }

    private int othersInside(Thread thread) {
        return inside.size() - (inside.containsKey(thread) ? 1 : 0);
    }

    private synchronized void end() {
        changes++;
        alone = null;
        notifyAll();
    }

    /** Lets nobody in any more, waits until all have left, and runs {@code free}; does nothing the second time. */
    synchronized void close(Runnable free) {
        if (closed) {
            return;
        }
        Thread thread = Thread.currentThread();
        if (inside.containsKey(thread) || alone == thread) {
            throw new IllegalStateException("this thread is computing with the model: close it afterwards");
        }
        closed = true;
        notifyAll();
        await(() -> inside.isEmpty() && alone == null && holding == 0);
        free.run();
    }

    private static IllegalStateException closed() {
        return new IllegalStateException("model used after close");
    }

    private interface Condition {
        boolean holds();
    }

    private void await(Condition condition) {
        boolean interrupted = false;
        while (!condition.holds()) {
            try {
                wait();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
