package org.finetune4j.dist.communicator;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.finetune4j.dist.communicator.LocalGroup.Contribution;
import org.finetune4j.tensor.DeviceMemory;
import org.finetune4j.tensor.Tensor;

/**
 * Ranks that are threads of one process and read each other's tensors where they lie. Each rank does one part of an operation for
 * all: sums are in the order of the ranks and the same on every one. {@link LocalRanks} makes the threads.
 */
public final class LocalCommunicator extends OrderedCommunicator {

    private final LocalGroup group;
    private long number;

    private LocalCommunicator(LocalGroup group, int rank) {
        super(rank, group.size(), "communication of rank " + group.nameOf(rank));
        this.group = group;
    }

    /**
     * Makes a group of ranks.
     *
     * @param size how many
     * @param timeout how long a rank waits for another in an operation before all end
     * @return one communicator a rank, each for a thread of its own
     */
    public static List<Communicator> group(int size, Duration timeout) {
        if (size < 1) {
            throw new IllegalArgumentException("a group of " + size + " ranks");
        }
        LocalGroup group =
                new LocalGroup(new LocalWorld(timeout), IntStream.range(0, size).toArray());
        List<Communicator> ranks = new ArrayList<>();
        for (int rank = 0; rank < size; rank++) {
            ranks.add(new LocalCommunicator(group, rank));
        }
        return ranks;
    }

    /** {@return a group of one rank, which waits for nobody} */
    public static Communicator single() {
        return group(1, Duration.ofMinutes(1)).get(0);
    }

    private void meet(Contribution own, Consumer<List<Contribution>> share) {
        group.meet(rank(), number++, own, given -> {
            share.accept(given);
            own.tensors().forEach(tensor -> DeviceMemory.synchronize(tensor.device()));
        });
    }

    @Override
    public boolean sharesProcess() {
        return size() > 1;
    }

    @Override
    protected void doAllReduce(Tensor vector, Reduction reduction) {
        meet(Contribution.of("all-reduce " + reduction, vector), given -> {
            long length = (vector.numel() + size() - 1) / size();
            long start = Math.min(vector.numel(), rank() * length);
            long count = Math.min(length, vector.numel() - start);
            // Nobody else touches this range of anybody's vector.
            List<Tensor> ranges = given.stream()
                    .map(each -> each.tensor(0).narrow(0, start, count))
                    .toList();
            RankOrder.reduce(ranges, reduction, ranges);
        });
    }

    @Override
    protected void doReduceScatter(Tensor whole, Tensor part, Reduction reduction) {
        meet(Contribution.of("reduce-scatter " + reduction, whole, part), given -> {
            List<Tensor> parts =
                    given.stream().map(each -> partOf(each.tensor(0), rank())).toList();
            RankOrder.reduce(parts, reduction, List.of(part));
        });
    }

    @Override
    protected void doAllGather(Tensor part, Tensor whole) {
        meet(Contribution.of("all-gather", part, whole), given -> {
            for (Contribution each : given) {
                copy(part, partOf(each.tensor(1), rank()));
            }
        });
    }

    @Override
    protected void doBroadcast(Tensor vector, int root) {
        meet(Contribution.of("broadcast from rank " + group.nameOf(root), vector), given -> {
            if (rank() != root) {
                copy(given.get(root).tensor(0), vector);
            }
        });
    }

    @Override
    protected void doAllToAll(Tensor from, Tensor to) {
        meet(Contribution.of("all-to-all", from, to), given -> {
            for (int source = 0; source < size(); source++) {
                copy(partOf(given.get(source).tensor(0), rank()), partOf(to, source));
            }
        });
    }

    @Override
    protected void doBarrier() {
        meet(Contribution.of("barrier"), given -> {});
    }

    @Override
    protected Communicator doSplit(int color, int key) {
        LocalGroup.Place[] place = new LocalGroup.Place[1];
        long split = number;
        meet(new Contribution("split", List.of(), color, key), given -> place[0] = group.split(rank(), split, given));
        return new LocalCommunicator(place[0].group(), place[0].rank());
    }

    @Override
    protected void startSend(Tensor copy, int destination) {
        group.messages().send(rank(), destination, copy);
    }

    @Override
    protected Pending startReceive(Tensor vector, int source) {
        return group.messages().receive(source, rank(), vector);
    }

    @Override
    public void abort(String reason) {
        group.world().fail("rank " + group.nameOf(rank()) + " gave up: " + reason);
    }

    @Override
    protected void leave() {
        group.leave(rank());
    }

    private Tensor partOf(Tensor whole, int rank) {
        long length = whole.numel() / size();
        return whole.narrow(0, rank * length, length);
    }

    private static void copy(Tensor from, Tensor to) {
        if (DeviceMemory.address(from) != DeviceMemory.address(to)) {
            to.copyInPlace(from);
        }
    }
}
