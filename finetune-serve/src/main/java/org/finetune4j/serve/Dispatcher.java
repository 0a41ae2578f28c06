package org.finetune4j.serve;

import com.google.common.base.Throwables;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.finetune4j.Reasons;
import org.finetune4j.generate.GenerationEngine;
import org.finetune4j.generate.GenerationHandle;
import org.finetune4j.generate.GenerationLimits;
import org.finetune4j.generate.GenerationRequest;
import org.finetune4j.model.CausalLM;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Lets prompts into the engine, whose one thread computes all answers. What finds no row waits; tenants take turns, so that one
 * who asks for much waits for himself.
 */
final class Dispatcher implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(Dispatcher.class);

    private final GenerationEngine engine;
    private final int maxRows;
    private final int maxQueuedByTenant;
    private final ServerMetrics metrics;
    private final Map<String, Deque<Ticket>> waiting = new LinkedHashMap<>();
    private final Set<Ticket> running = new LinkedHashSet<>();
    private final ExecutorService thread = Executors.newSingleThreadExecutor(task -> {
        Thread engineThread = new Thread(task, "finetune4j-engine");
        engineThread.setDaemon(true);
        return engineThread;
    });
    private final CountDownLatch ended = new CountDownLatch(1);
    private int rows;
    private boolean closed;
    private volatile long cacheBytes;
    private volatile long prefixBytes;

    Dispatcher(CausalLM model, ServerLimits limits, int tenants, ServerMetrics metrics) {
        this.engine = onItsThread(() -> engine(model, limits));
        this.maxRows = limits.maxRows();
        this.maxQueuedByTenant = (limits.maxQueued() + tenants - 1) / tenants;
        this.metrics = metrics;
        metrics.gauge("rows.running", "answers that are computed", this::rows);
        metrics.gauge("prompts.waiting", "prompts that wait for their turn", this::waiting);
        metrics.gauge("cache.bytes", "what keys and values of answers under way take", () -> cacheBytes);
        metrics.gauge("prefix.bytes", "what keys and values take that are kept for later requests", () -> prefixBytes);
        thread.execute(() -> {
            try {
                compute();
            } finally {
                ended.countDown();
            }
        });
    }

    private static GenerationEngine engine(CausalLM model, ServerLimits limits) {
        model.packForGeneration();
        GenerationEngine made = GenerationEngine.of(
                model,
                GenerationLimits.defaults()
                        .withMaxRows(limits.maxRows())
                        .withCacheBytes(limits.cacheBytes())
                        .withPrefixBytes(Math.min(limits.prefixBytes(), limits.cacheBytes())));
        made.prepare();
        return made;
    }

    /**
     * What takes all processors is done by the thread that computes: OpenMP keeps a team for every thread that has had one, and where
     * there are more of them than processors all teams sleep while they wait, which costs a third of the speed of a small model.
     */
    private <T> T onItsThread(Callable<T> work) {
        try {
            return thread.submit(work).get();
        } catch (InterruptedException e) {
            thread.shutdown();
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while the model was prepared", e);
        } catch (ExecutionException e) {
            thread.shutdown();
            Throwable cause = e.getCause() == null ? e : e.getCause();
            Throwables.throwIfUnchecked(cause);
            throw new IllegalStateException(cause);
        }
    }

    /**
     * Takes prompts, all or none.
     *
     * @throws ApiException with status 429 when the tenant has too many waiting
     */
    synchronized List<Ticket> submit(String tenant, List<GenerationRequest> requests) {
        if (closed) {
            throw ApiException.unavailable("the server is being stopped");
        }
        Deque<Ticket> queue = waiting.computeIfAbsent(tenant, key -> new ArrayDeque<>());
        if (!queue.isEmpty() && queue.size() + requests.size() > maxQueuedByTenant) {
            metrics.refused();
            throw ApiException.busy(
                    Math.min(60, 1 + queue.size() / maxRows),
                    queue.size() + " prompts are waiting already: ask again later");
        }
        List<Ticket> tickets =
                requests.stream().map(request -> new Ticket(tenant, request)).toList();
        queue.addAll(tickets);
        notifyAll();
        return tickets;
    }

    /** Ends a prompt's answers; one that waits leaves the queue. */
    void cancel(Ticket ticket) {
        boolean waited;
        synchronized (this) {
            Deque<Ticket> queue = waiting.get(ticket.tenant());
            waited = queue != null && queue.remove(ticket);
        }
        ticket.cancel();
        if (waited) {
            ticket.result().completeExceptionally(new CancellationException("cancelled"));
        }
    }

    private void compute() {
        boolean more = false;
        while (true) {
            List<Ticket> next;
            synchronized (this) {
                next = admitted();
                while (next.isEmpty() && !more && !closed) {
                    try {
                        wait();
                    } catch (InterruptedException e) {
                        return;
                    }
                    next = admitted();
                }
                if (closed && next.isEmpty() && running.isEmpty()) {
                    return;
                }
            }
            next.forEach(this::begin);
            more = step();
        }
    }

    /** Those whose turn it is and that there are rows for. */
    private synchronized List<Ticket> admitted() {
        List<Ticket> next = new ArrayList<>();
        boolean room = true;
        while (room && !waiting.isEmpty()) {
            Iterator<Map.Entry<String, Deque<Ticket>>> tenants =
                    waiting.entrySet().iterator();
            Map.Entry<String, Deque<Ticket>> tenant = tenants.next();
            Deque<Ticket> queue = tenant.getValue();
            Ticket first = queue.peek();
            if (first == null) {
                tenants.remove();
                continue;
            }
            room = first.isCancelled() || rows + first.rows() <= maxRows;
            if (room) {
                queue.remove();
                rows += first.rows();
                running.add(first);
                next.add(first);
                tenants.remove(); // and to the end, behind all others
                if (!queue.isEmpty()) {
                    waiting.put(tenant.getKey(), queue);
                }
            }
        }
        return next;
    }

    private void begin(Ticket ticket) {
        if (ticket.isCancelled()) {
            end(ticket);
            ticket.result().completeExceptionally(new CancellationException("cancelled"));
            return;
        }
        try {
            GenerationHandle handle = engine.submit(ticket.request());
            ticket.running(handle);
            CompletableFuture<?> unused = handle.result().whenComplete((rollouts, failure) -> {
                end(ticket);
                if (failure == null) {
                    ticket.result().complete(rollouts);
                } else {
                    ticket.result().completeExceptionally(failure);
                }
            });
        } catch (RuntimeException | OutOfMemoryError | StackOverflowError e) {
            end(ticket);
            ticket.result().completeExceptionally(e);
        }
    }

    private synchronized void end(Ticket ticket) {
        if (running.remove(ticket)) {
            rows -= ticket.rows();
        }
    }

    /** One pass. Whatever goes wrong ends the answers under way, never the server. */
    private boolean step() {
        try {
            boolean more = engine.step();
            cacheBytes = engine.cacheBytes();
            prefixBytes = engine.prefixBytes();
            return more;
        } catch (RuntimeException | OutOfMemoryError | StackOverflowError e) {
            LOG.error("a pass failed; the answers under way end", e);
            List<Ticket> failed;
            synchronized (this) {
                failed = List.copyOf(running);
            }
            for (Ticket ticket : failed) {
                end(ticket);
                ticket.result().completeExceptionally(ApiException.internal("the answer failed: " + Reasons.of(e)));
            }
            engine.reset();
            return false;
        }
    }

    private synchronized int rows() {
        return rows;
    }

    private synchronized int waiting() {
        return waiting.values().stream().mapToInt(Deque::size).sum();
    }

    /** Lets nothing in any more, ends what was let in by computing it, and frees the engine. */
    @Override
    public void close() {
        synchronized (this) {
            closed = true;
            notifyAll();
        }
        boolean interrupted = false;
        while (ended.getCount() > 0) {
            try {
                ended.await();
            } catch (InterruptedException e) {
                interrupted = true;
                cancelAll();
            }
        }
        thread.shutdown();
        engine.close();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Ends everything that waits or runs. */
    synchronized void cancelAll() {
        waiting.values().forEach(queue -> queue.forEach(Ticket::cancel));
        running.forEach(Ticket::cancel);
    }
}
