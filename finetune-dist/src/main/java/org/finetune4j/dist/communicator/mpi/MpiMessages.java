package org.finetune4j.dist.communicator.mpi;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.finetune4j.dist.communicator.CommunicationException;
import org.finetune4j.dist.communicator.Pending;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.DeviceMemory;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Messages between two ranks of a group. Before each goes what it is, so that a receiver that expects something else says so. From one
 * source one message comes at a time.
 */
@SuppressWarnings("EnumOrdinal") // only processes of one program, started together, read them
final class MpiMessages {

    private static final int HEADER = 1;
    private static final int CONTENT = 2;
    private static final int HEADER_BYTES = 2 * Long.BYTES;
    private static final long LOOK_AROUND_MILLISECONDS = 200;

    private final MpiWorld world;
    private final OpenMpi mpi;
    private final Pointer comm;
    private final String group;
    private final int rank;
    private final List<Integer> members;
    private final AtomicInteger leaving = new AtomicInteger();
    private final Map<Integer, Long> sent = new HashMap<>();
    private final Map<Integer, Deque<Arrival>> expected = new HashMap<>();
    private final Map<Integer, Long> asked = new HashMap<>();

    MpiMessages(MpiWorld world, Pointer comm, String group, int rank, List<Integer> members) {
        this.world = world;
        this.mpi = world.mpi();
        this.comm = comm;
        this.group = group;
        this.rank = rank;
        this.members = members;
    }

    /** Sends a message, which is closed when it is gone. */
    void send(Tensor message, int destination) {
        world.requireAlive("send");
        leaving.incrementAndGet();
        Memory header = new Memory(HEADER_BYTES);
        header.setLong(0, message.dtype().ordinal());
        header.setLong(Long.BYTES, message.numel());
        MpiRequest first = MpiRequest.start(
                mpi,
                "MPI_Isend",
                request -> mpi.functions()
                        .MPI_Isend(header, HEADER_BYTES, mpi.bytes(), destination, HEADER, comm, request),
                header);
        MpiRequest second = MpiRequest.start(
                mpi,
                "MPI_Isend",
                request -> mpi.functions()
                        .MPI_Isend(
                                MpiWorld.pointer(DeviceMemory.address(message)),
                                MpiCommunicator.count(message.numel()),
                                mpi.type(message.dtype()),
                                destination,
                                CONTENT,
                                comm,
                                request),
                message);
        world.began(channel(rank, destination), sent.merge(destination, 1L, Long::sum));
        world.progress().add(() -> {
            if (world.hasFailed()) {
                world.abandon(first);
                world.abandon(second);
                return true;
            }
            if (!first.test() || !second.test()) {
                return false;
            }
            message.close();
            leaving.decrementAndGet();
            return true;
        });
    }

    private String channel(int source, int destination) {
        return group + ":" + source + ">" + destination;
    }

    /** Waits until all that was sent is gone. */
    void flush() {
        Idle idle = new Idle();
        while (leaving.get() > 0) {
            world.requireAlive("leave");
            idle.rest();
        }
    }

    /** Receives a message into a vector, which is closed when it is there. */
    Pending receive(Tensor into, int source) {
        world.requireAlive("receive");
        Arrival arrival = new Arrival(source, asked.merge(source, 1L, Long::sum), into);
        Deque<Arrival> queue = expected.computeIfAbsent(source, key -> new ArrayDeque<>());
        synchronized (queue) {
            queue.add(arrival);
            if (queue.size() == 1) {
                move(queue);
            }
        }
        return arrival;
    }

    private void move(Deque<Arrival> queue) {
        world.progress().add(() -> {
            synchronized (queue) {
                Arrival first = queue.element();
                if (!first.move()) {
                    return false;
                }
                queue.remove();
                return queue.isEmpty();
            }
        });
    }

    private final class Arrival implements Pending {

        private final int source;
        private final long number;
        private final Tensor into;
        private final Memory header = new Memory(HEADER_BYTES);
        private final CountDownLatch done = new CountDownLatch(1);
        private @Nullable MpiRequest announced;
        private @Nullable MpiRequest content;
        private volatile @Nullable CommunicationException failure;

        Arrival(int source, long number, Tensor into) {
            this.source = source;
            this.number = number;
            this.into = into;
        }

        private String what() {
            return "receive from rank " + members.get(source);
        }

        /** A step towards the end; true when that is reached. */
        boolean move() {
            try {
                requireAlive();
                if (!isThere()) {
                    return false;
                }
                into.close();
            } catch (CommunicationException e) {
                failure = e;
            }
            done.countDown();
            return true;
        }

        private void requireAlive() {
            if (world.hasFailed()) {
                if (announced != null) {
                    world.abandon(announced);
                }
                if (content != null) {
                    world.abandon(content);
                }
                world.requireAlive(what());
            }
        }

        private boolean isThere() {
            if (announced == null) {
                announced = MpiRequest.start(
                        mpi,
                        "MPI_Irecv",
                        request -> mpi.functions()
                                .MPI_Irecv(header, HEADER_BYTES, mpi.bytes(), source, HEADER, comm, request),
                        header);
            }
            if (!announced.test()) {
                return false;
            }
            if (content == null) {
                requireAgreement();
                content = MpiRequest.start(
                        mpi,
                        "MPI_Irecv",
                        request -> mpi.functions()
                                .MPI_Irecv(
                                        MpiWorld.pointer(DeviceMemory.address(into)),
                                        MpiCommunicator.count(into.numel()),
                                        mpi.type(into.dtype()),
                                        source,
                                        CONTENT,
                                        comm,
                                        request),
                        into);
            }
            return content.test();
        }

        private void requireAgreement() {
            DType dtype = DType.values()[(int) header.getLong(0)];
            long numel = header.getLong(Long.BYTES);
            if (dtype != into.dtype() || numel != into.numel()) {
                String reason = "the ranks do not agree: rank " + members.get(source) + " sends " + numel + " " + dtype
                        + ", rank " + members.get(rank) + " receives " + into.numel() + " " + into.dtype();
                world.abort(reason);
                throw new CommunicationException(reason);
            }
        }

        @Override
        public boolean isDone() {
            return done.getCount() == 0;
        }

        @Override
        public void await() {
            MpiPatience patience =
                    new MpiPatience(world, channel(source, rank), number, List.of(members.get(source)), what());
            try {
                while (!done.await(LOOK_AROUND_MILLISECONDS, TimeUnit.MILLISECONDS)) {
                    patience.look();
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                world.abort("interrupted in " + what());
                throw new CommunicationException("interrupted in " + what());
            }
            CommunicationException reason = failure;
            if (reason != null) {
                throw new CommunicationException(String.valueOf(reason.getMessage()));
            }
        }
    }
}
