package org.finetune4j.dist.communicator;

import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DeviceMemory;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What every back end has in common: operations are checked when they are called, done in their order on a thread of the group, and
 * counted. Tensors come to the back end as vectors that hold their memory, whatever the caller closes meanwhile. A send takes a copy
 * and waits for nobody.
 */
public abstract class OrderedCommunicator implements Communicator {

    private static final Logger LOG = LoggerFactory.getLogger(OrderedCommunicator.class);

    private final int rank;
    private final int size;
    private final OperationQueue queue;
    private final AtomicLong operations = new AtomicLong();
    private final AtomicLong bytesSent = new AtomicLong();
    private final AtomicLong nanosecondsWaited = new AtomicLong();
    private boolean closed;

    /**
     * A rank of a group.
     *
     * @param rank its number
     * @param size how many ranks the group has
     * @param name of the group's thread
     */
    protected OrderedCommunicator(int rank, int size, String name) {
        this.rank = rank;
        this.size = size;
        this.queue = new OperationQueue(name);
    }

    // ---- what a back end does, on the group's thread ----

    /**
     * Reduces a vector in place.
     *
     * @param vector [any]
     * @param reduction how
     */
    protected abstract void doAllReduce(Tensor vector, Reduction reduction);

    /**
     * Reduces and gives each its part.
     *
     * @param whole [size * length]
     * @param part [length]
     * @param reduction how
     */
    protected abstract void doReduceScatter(Tensor whole, Tensor part, Reduction reduction);

    /**
     * Gathers the parts of all.
     *
     * @param part [length]
     * @param whole [size * length]
     */
    protected abstract void doAllGather(Tensor part, Tensor whole);

    /**
     * Gives all what the root has.
     *
     * @param vector [any]
     * @param root the rank that has it
     */
    protected abstract void doBroadcast(Tensor vector, int root);

    /**
     * Exchanges parts.
     *
     * @param from [size * length]
     * @param to [size * length]
     */
    protected abstract void doAllToAll(Tensor from, Tensor to);

    /** Waits for all ranks. */
    protected abstract void doBarrier();

    /**
     * Makes groups of this one.
     *
     * @param color which group
     * @param key where in it
     * @return the group of this rank
     */
    protected abstract Communicator doSplit(int color, int key);

    // ---- what a back end does on the caller's thread ----

    /**
     * Sends without waiting for the receiver.
     *
     * @param copy [any], which is the back end's, to be closed when it is sent
     * @param destination another rank
     */
    protected abstract void startSend(Tensor copy, int destination);

    /**
     * Begins to receive.
     *
     * @param vector [any], which is the back end's, to be closed when it is filled
     * @param source another rank
     * @return what waits for it
     */
    protected abstract Pending startReceive(Tensor vector, int source);

    /** Leaves the group; the last thing that is done, unless something has failed. */
    protected abstract void leave();

    /** {@return whether this rank waits until it has left; not unless a back end says so} */
    protected boolean waitsToLeave() {
        return false;
    }

    /**
     * Called now and then by who waits for an operation; throws where it will not end.
     *
     * @param what the operation
     */
    protected void lookAround(String what) {}

    /**
     * Called on the caller's thread before an operation: what has been computed before is there when the operation begins.
     *
     * @param tensor of the operation
     */
    protected void ready(Tensor tensor) {
        DeviceMemory.synchronize(tensor.device());
    }

    /**
     * Throws where a back end cannot reach a tensor's memory.
     *
     * @param what the operation
     * @param tensor of its caller
     */
    protected void requireReach(String what, Tensor tensor) {}

    // ---- the operations ----

    @Override
    public final int rank() {
        return rank;
    }

    @Override
    public final int size() {
        return size;
    }

    @Override
    public final Pending allReduce(Tensor tensor, Reduction reduction) {
        Tensor vector = vector("all-reduce", tensor);
        return submit(
                "all-reduce",
                2 * bytes(vector) * (size - 1) / size,
                List.of(vector),
                () -> doAllReduce(vector, reduction));
    }

    @Override
    public final Pending reduceScatter(Tensor whole, Tensor part, Reduction reduction) {
        requireParts("reduce-scatter", whole, part);
        Tensor all = vector("reduce-scatter", whole);
        Tensor own = vector("reduce-scatter", part);
        return submit(
                "reduce-scatter", othersShare(all), List.of(all, own), () -> doReduceScatter(all, own, reduction));
    }

    @Override
    public final Pending allGather(Tensor part, Tensor whole) {
        requireParts("all-gather", whole, part);
        Tensor all = vector("all-gather", whole);
        Tensor own = vector("all-gather", part);
        return submit("all-gather", othersShare(all), List.of(all, own), () -> doAllGather(own, all));
    }

    @Override
    public final Pending broadcast(Tensor tensor, int root) {
        requireRank("broadcast", root);
        Tensor vector = vector("broadcast", tensor);
        long sent = root == rank && size > 1 ? bytes(vector) : 0;
        return submit("broadcast", sent, List.of(vector), () -> doBroadcast(vector, root));
    }

    @Override
    public final Pending allToAll(Tensor from, Tensor to) {
        if (from.numel() % size != 0 || from.numel() != to.numel() || from.dtype() != to.dtype()) {
            throw new IllegalArgumentException("all-to-all of " + from + " into " + to + " by " + size + " ranks");
        }
        Tensor given = vector("all-to-all", from);
        Tensor taken = vector("all-to-all", to);
        return submit("all-to-all", othersShare(given), List.of(given, taken), () -> doAllToAll(given, taken));
    }

    @Override
    public final Pending send(Tensor tensor, int destination) {
        requireOther("send", destination);
        requireOpen("send");
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor copy = flat("send", tensor).copy().unscoped();
            DeviceMemory.synchronize(copy.device());
            count(bytes(copy));
            startSend(copy, destination);
        }
        return Pending.DONE;
    }

    @Override
    public final Pending receive(Tensor tensor, int source) {
        requireOther("receive", source);
        requireOpen("receive");
        Tensor vector = vector("receive", tensor);
        count(0);
        return timed(startReceive(vector, source));
    }

    @Override
    public final void barrier() {
        submit("barrier", 0, List.of(), this::doBarrier).await();
    }

    @Override
    public final Communicator split(int color, int key) {
        if (color < 0) {
            throw new IllegalArgumentException("color " + color + " is below 0");
        }
        Communicator[] group = new Communicator[1];
        submit("split", 0, List.of(), () -> group[0] = doSplit(color, key)).await();
        return group[0];
    }

    @Override
    public final CommunicationVolume volume() {
        return new CommunicationVolume(operations.get(), bytesSent.get(), nanosecondsWaited.get() / 1e9);
    }

    @Override
    public final void close() {
        if (!closed) {
            closed = true;
            OperationQueue.Operation last = queue.end("leave", this::leave);
            if (waitsToLeave()) {
                try {
                    await(last, "leave");
                } catch (CommunicationException e) {
                    LOG.debug("left a group that could not go on", e);
                }
            }
        }
    }

    // ---- helpers ----

    private Pending submit(String what, long bytes, List<Tensor> held, Runnable work) {
        requireOpen(what);
        count(bytes);
        if (!held.isEmpty()) {
            ready(held.get(0));
        }
        Runnable andFree = () -> {
            try {
                work.run();
            } finally {
                held.forEach(Tensor::close);
            }
        };
        OperationQueue.Operation operation = queue.add(what, andFree);
        return timed(new Pending() {
            @Override
            public void await() {
                OrderedCommunicator.this.await(operation, what);
            }

            @Override
            public boolean isDone() {
                return operation.isDone();
            }
        });
    }

    private void await(OperationQueue.Operation operation, String what) {
        try {
            operation.await(() -> lookAround(what));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            abort("interrupted in " + what);
            throw new CommunicationException("interrupted in " + what);
        }
    }

    private Pending timed(Pending pending) {
        return new Pending() {
            @Override
            public void await() {
                if (pending.isDone()) {
                    pending.await();
                    return;
                }
                long start = System.nanoTime();
                try {
                    pending.await();
                } finally {
                    nanosecondsWaited.addAndGet(System.nanoTime() - start);
                }
            }

            @Override
            public boolean isDone() {
                return pending.isDone();
            }
        };
    }

    private void count(long bytes) {
        operations.incrementAndGet();
        bytesSent.addAndGet(bytes);
    }

    private static long bytes(Tensor vector) {
        return vector.numel() * vector.dtype().itemSize();
    }

    /** What a ring of ranks makes each send to give all what one has, or to add up what all have. */
    private long othersShare(Tensor vector) {
        return bytes(vector) * (size - 1) / size;
    }

    /** A reference of our own to the memory: it stays until we close it. */
    private Tensor vector(String what, Tensor tensor) {
        try (TensorScope scope = TensorScope.open()) {
            return flat(what, tensor).unscoped();
        }
    }

    private Tensor flat(String what, Tensor tensor) {
        requireReach(what, tensor);
        if (!tensor.isContiguous()) {
            throw new IllegalArgumentException(what + " of " + tensor + ", which is not contiguous");
        }
        return tensor.detach().view(-1);
    }

    private void requireParts(String what, Tensor whole, Tensor part) {
        if (whole.numel() != size * part.numel() || whole.dtype() != part.dtype()) {
            throw new IllegalArgumentException(
                    what + ": the part " + part + " of " + size + " ranks does not fit the whole " + whole);
        }
    }

    private void requireRank(String what, int other) {
        if (other < 0 || other >= size) {
            throw new IllegalArgumentException(what + ": no rank " + other + " of " + size);
        }
    }

    private void requireOther(String what, int other) {
        requireRank(what, other);
        if (other == rank) {
            throw new IllegalArgumentException(what + ": rank " + other + " is this rank");
        }
    }

    private void requireOpen(String what) {
        if (closed) {
            throw new IllegalStateException(what + " on a group that this rank has left");
        }
    }
}
