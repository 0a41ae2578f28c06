package org.finetune4j.dist.communicator.mpi;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.PointerByReference;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.communicator.CommunicationException;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.OrderedCommunicator;
import org.finetune4j.dist.communicator.Pending;
import org.finetune4j.dist.communicator.RankOrder;
import org.finetune4j.dist.communicator.Reduction;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.DeviceMemory;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/**
 * Ranks that are processes which mpirun started. Open MPI moves the data; sums are calculated by the rank that a part belongs to, in the
 * order of the ranks, so they are the same as those of ranks that are threads, bit by bit, and of every type. Before an
 * operation the ranks tell each other what they are about to do.
 */
@SuppressWarnings("EnumOrdinal") // only processes of one program, started together, read them
public final class MpiCommunicator extends OrderedCommunicator {

    /**
     * So much of a reduction is under way at a time: it takes as much memory again, in blocks that the C library keeps rather than
     * fetches from the system every time.
     */
    private static final long REDUCED_AT_ONCE_BYTES = 1 << 24;

    private static final Pointer IN_PLACE = new Pointer(1);

    private enum Kind {
        ALL_REDUCE,
        REDUCE_SCATTER,
        ALL_GATHER,
        BROADCAST,
        ALL_TO_ALL,
        BARRIER,
        SPLIT
    }

    private final MpiWorld world;
    private final OpenMpi mpi;
    private final PointerByReference comm;
    private final String group;
    private final List<Integer> members;
    private final MpiMessages messages;
    private final boolean isWorld;
    private long number;
    private MpiPatience patience;

    private MpiCommunicator(
            MpiWorld world, Pointer comm, String group, int rank, List<Integer> members, boolean isWorld) {
        super(rank, members.size(), "communication of rank " + world.rank());
        this.world = world;
        this.mpi = world.mpi();
        this.comm = new PointerByReference(comm);
        this.group = group;
        this.members = members;
        this.messages = new MpiMessages(world, comm, group, rank, members);
        this.isWorld = isWorld;
        this.patience = new MpiPatience(world, group, 0, members, "start");
    }

    /**
     * Joins the processes that mpirun started, once in a process. Closing the communicator waits for the others and ends MPI: a rank
     * that cannot go on calls {@link #abort} before.
     *
     * @param timeout how long a rank waits for another in an operation before all end
     * @return this process among the others
     * @throws UserErrorException when Open MPI is not installed
     */
    public static MpiCommunicator world(Duration timeout) {
        MpiWorld world = MpiWorld.join(timeout);
        List<Integer> members = IntStream.range(0, world.size()).boxed().toList();
        return new MpiCommunicator(world, world.mpi().world(), "world", world.rank(), members, true);
    }

    // ---- agreement ----

    /** Tells the others what this rank is about to do, and hears that they are about to do the same. */
    private void agree(Kind kind, String what, int detail, int dtype, long numel) {
        number++;
        world.began(group, number);
        patience = new MpiPatience(world, group, number, members, what);
        long[] own = {kind.ordinal(), detail, dtype, numel};
        long[] all = gather(own);
        for (int other = 0; other < size(); other++) {
            for (int i = 0; i < own.length; i++) {
                if (all[other * own.length + i] != all[i]) {
                    String reason = "the ranks do not agree: rank " + members.get(0) + " calls " + describe(all, 0)
                            + ", rank " + members.get(other) + " calls " + describe(all, other * own.length);
                    world.abort(reason);
                    throw new CommunicationException("rank " + world.rank() + ": " + reason);
                }
            }
        }
    }

    private void agree(Kind kind, String what, int detail, Tensor tensor) {
        agree(kind, what, detail, tensor.dtype().ordinal(), tensor.numel());
    }

    private String describe(long[] all, int at) {
        Kind kind = Kind.values()[(int) all[at]];
        int detail = (int) all[at + 1];
        String name = kind.name().toLowerCase(Locale.ROOT).replace('_', '-');
        return switch (kind) {
            case BARRIER, SPLIT -> name;
            case ALL_REDUCE, REDUCE_SCATTER -> name + " " + Reduction.values()[detail] + of(all, at);
            case BROADCAST -> name + " from rank " + members.get(detail) + of(all, at);
            case ALL_GATHER, ALL_TO_ALL -> name + of(all, at);
        };
    }

    private static String of(long[] all, int at) {
        return " of " + all[at + 3] + " " + DType.values()[(int) all[at + 2]];
    }

    private long[] gather(long[] own) {
        int bytes = own.length * Long.BYTES;
        Memory from = new Memory(bytes);
        Memory to = new Memory((long) bytes * size());
        from.write(0, own, 0, own.length);
        complete(
                "MPI_Iallgather",
                request -> mpi.functions()
                        .MPI_Iallgather(from, bytes, mpi.bytes(), to, bytes, mpi.bytes(), comm(), request),
                from,
                to);
        return to.getLongArray(0, own.length * size());
    }

    /** Waits for an operation's end, or for news that it will not come. */
    private void complete(String call, MpiRequest.Start start, Object... inUse) {
        MpiRequest request = MpiRequest.start(mpi, call, start, inUse);
        Idle idle = new Idle();
        try {
            patience.look(); // once something has failed MPI is not called any more
            while (!request.test()) {
                idle.rest();
                patience.look();
            }
        } catch (CommunicationException e) {
            world.abandon(request);
            throw e;
        }
    }

    private Pointer comm() {
        return comm.getValue();
    }

    // ---- operations ----

    @Override
    public boolean sharesProcess() {
        return false;
    }

    @Override
    protected void doAllReduce(Tensor vector, Reduction reduction) {
        agree(Kind.ALL_REDUCE, "all-reduce " + reduction, reduction.ordinal(), vector);
        long step = Math.max(size(), REDUCED_AT_ONCE_BYTES / vector.dtype().itemSize());
        for (long start = 0; start < vector.numel(); start += step) {
            Tensor range = vector.narrow(0, start, Math.min(step, vector.numel() - start));
            int total = count(range.numel());
            int longest = (total + size() - 1) / size();
            IntUnaryOperator place = q -> Math.min(total, q * longest);
            IntUnaryOperator length = q -> Math.min(total, (q + 1) * longest) - place.applyAsInt(q);
            Tensor own = range.narrow(0, place.applyAsInt(rank()), length.applyAsInt(rank()));
            reduceParts(range, place, length, own, own, reduction);
            own.close();
            gatherParts(range, place, length);
            range.close();
        }
    }

    @Override
    protected void doReduceScatter(Tensor whole, Tensor part, Reduction reduction) {
        agree(Kind.REDUCE_SCATTER, "reduce-scatter " + reduction, reduction.ordinal(), whole);
        long step = Math.max(1, REDUCED_AT_ONCE_BYTES / size() / whole.dtype().itemSize());
        int stride = count(part.numel());
        count(whole.numel());
        for (long start = 0; start < part.numel(); start += step) {
            int from = (int) start;
            int length = (int) Math.min(step, part.numel() - start);
            IntUnaryOperator place = q -> q * stride + from;
            Tensor own = whole.narrow(0, place.applyAsInt(rank()), length);
            Tensor result = part.narrow(0, start, length);
            reduceParts(whole, place, q -> length, own, result, reduction);
            own.close();
            result.close();
        }
    }

    /** Each rank gives every other one that one's range of what it has, and reduces those of its own range. */
    private void reduceParts(
            Tensor all,
            IntUnaryOperator place,
            IntUnaryOperator length,
            Tensor own,
            Tensor result,
            Reduction reduction) {
        int mine = count(own.numel());
        try (Tensor received =
                Tensors.zeros(all.dtype(), all.device(), (long) mine * size()).unscoped()) {
            exchange(
                    all,
                    q -> q == rank() ? 0 : length.applyAsInt(q),
                    place,
                    received,
                    q -> q == rank() ? 0 : mine,
                    q -> q * mine);
            List<Tensor> parts = new ArrayList<>();
            for (int q = 0; q < size(); q++) {
                parts.add(q == rank() ? own : received.narrow(0, (long) q * mine, mine));
            }
            RankOrder.reduce(parts, reduction, List.of(result));
        }
    }

    private void exchange(
            Tensor from,
            IntUnaryOperator fromLength,
            IntUnaryOperator fromPlace,
            Tensor to,
            IntUnaryOperator toLength,
            IntUnaryOperator toPlace) {
        Memory fromCounts = ints(fromLength);
        Memory fromPlaces = ints(fromPlace);
        Memory toCounts = ints(toLength);
        Memory toPlaces = ints(toPlace);
        complete(
                "MPI_Ialltoallv",
                request -> mpi.functions()
                        .MPI_Ialltoallv(
                                address(from),
                                fromCounts,
                                fromPlaces,
                                mpi.type(from.dtype()),
                                address(to),
                                toCounts,
                                toPlaces,
                                mpi.type(to.dtype()),
                                comm(),
                                request),
                fromCounts,
                fromPlaces,
                toCounts,
                toPlaces);
    }

    private void gatherParts(Tensor whole, IntUnaryOperator place, IntUnaryOperator length) {
        Memory counts = ints(length);
        Memory places = ints(place);
        complete(
                "MPI_Iallgatherv",
                request -> mpi.functions()
                        .MPI_Iallgatherv(
                                IN_PLACE,
                                0,
                                mpi.type(whole.dtype()),
                                address(whole),
                                counts,
                                places,
                                mpi.type(whole.dtype()),
                                comm(),
                                request),
                counts,
                places);
    }

    @Override
    protected void doAllGather(Tensor part, Tensor whole) {
        agree(Kind.ALL_GATHER, "all-gather", 0, part);
        if (part.numel() == 0) {
            return;
        }
        count(whole.numel());
        int length = count(part.numel());
        Tensor place = whole.narrow(0, (long) rank() * length, length);
        if (DeviceMemory.address(place) != DeviceMemory.address(part)) {
            place.copyInPlace(part);
        }
        gatherParts(whole, q -> q * length, q -> length);
    }

    @Override
    protected void doBroadcast(Tensor vector, int root) {
        agree(Kind.BROADCAST, "broadcast from rank " + members.get(root), root, vector);
        int length = count(vector.numel());
        if (length > 0) {
            complete("MPI_Ibcast", request -> mpi.functions()
                    .MPI_Ibcast(address(vector), length, mpi.type(vector.dtype()), root, comm(), request));
        }
    }

    @Override
    protected void doAllToAll(Tensor from, Tensor to) {
        agree(Kind.ALL_TO_ALL, "all-to-all", 0, from);
        int length = count(from.numel()) / size();
        if (length > 0) {
            exchange(from, q -> length, q -> q * length, to, q -> length, q -> q * length);
        }
    }

    @Override
    protected void doBarrier() {
        agree(Kind.BARRIER, "barrier", 0, 0, 0);
    }

    @Override
    protected Communicator doSplit(int color, int key) {
        agree(Kind.SPLIT, "split", 0, 0, 0);
        long[] all = gather(new long[] {color, key});
        List<Integer> own = IntStream.range(0, size())
                .filter(other -> all[2 * other] == color)
                .boxed()
                .sorted(Comparator.comparingLong(other -> all[2 * other + 1])) // stable: else by rank
                .toList();
        PointerByReference made = new PointerByReference();
        mpi.check("MPI_Comm_split", mpi.functions().MPI_Comm_split(comm(), color, key, made));
        return new MpiCommunicator(
                world,
                made.getValue(),
                group + "/" + number + "." + color,
                own.indexOf(rank()),
                own.stream().map(members::get).toList(),
                false);
    }

    @Override
    protected void startSend(Tensor copy, int destination) {
        messages.send(copy, destination);
    }

    @Override
    protected Pending startReceive(Tensor vector, int source) {
        return messages.receive(vector, source);
    }

    // ---- the end ----

    @Override
    public void abort(String reason) {
        world.abort(reason);
    }

    @Override
    protected void leave() {
        messages.flush();
        if (isWorld) {
            world.leave();
        } else {
            mpi.check("MPI_Comm_free", mpi.functions().MPI_Comm_free(comm));
        }
    }

    @Override
    protected boolean waitsToLeave() {
        return true;
    }

    @Override
    protected void lookAround(String what) {
        world.requireAlive(what);
    }

    @Override
    protected void requireReach(String what, Tensor tensor) {
        if (!tensor.device().equals(Device.CPU)) {
            throw new IllegalArgumentException(
                    what + " of " + tensor + " on " + tensor.device() + ": Open MPI moves memory of the host only");
        }
    }

    // ---- helpers ----

    private static Pointer address(Tensor vector) {
        return MpiWorld.pointer(DeviceMemory.address(vector));
    }

    private Memory ints(IntUnaryOperator ofRank) {
        Memory values = new Memory((long) Integer.BYTES * size());
        for (int q = 0; q < size(); q++) {
            values.setInt((long) q * Integer.BYTES, ofRank.applyAsInt(q));
        }
        return values;
    }

    /** MPI counts in int. */
    static int count(long numel) {
        if (numel > Integer.MAX_VALUE) {
            throw new CommunicationException(
                    numel + " values in one operation: Open MPI counts up to " + Integer.MAX_VALUE);
        }
        return (int) numel;
    }
}
