package org.finetune4j.dist.communicator;

import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Where the thread ranks of a group meet. An operation begins when all ranks have shown what they bring, and ends when all have done
 * their share; a rank that fails stays until no other one can still touch its tensors.
 */
final class LocalGroup {

    /**
     * What a rank brings to an operation.
     *
     * @param what the operation, with all that has to be the same on every rank
     * @param tensors that others read or write; the first has one type and length on every rank
     * @param color for a split, the new group
     * @param key for a split, the place in it
     */
    record Contribution(String what, List<Tensor> tensors, int color, int key) {

        static Contribution of(String what, Tensor... tensors) {
            return new Contribution(what, List.of(tensors), 0, 0);
        }

        boolean fits(Contribution other) {
            return what.equals(other.what) && dtype() == other.dtype() && numel() == other.numel();
        }

        Tensor tensor(int index) {
            return tensors.get(index);
        }

        private @Nullable DType dtype() {
            return tensors.isEmpty() ? null : tensor(0).dtype();
        }

        private long numel() {
            return tensors.isEmpty() ? 0 : tensor(0).numel();
        }

        @Override
        public String toString() {
            return tensors.isEmpty() ? what : what + " of " + numel() + " " + dtype();
        }
    }

    /** One operation of all ranks. */
    private static final class Meeting {
        final @Nullable Contribution[] given;
        int arrived;
        int working;
        int finished;

        Meeting(int size) {
            given = new Contribution[size];
        }

        List<Contribution> all() {
            return List.of(given).stream().map(Objects::requireNonNull).toList();
        }

        List<Integer> absent() {
            return IntStream.range(0, given.length)
                    .filter(other -> given[other] == null)
                    .boxed()
                    .toList();
        }
    }

    private record SplitColor(long number, int color) {}

    private final LocalWaiting waiting;
    private final int[] names;
    private final Map<Long, Meeting> meetings = new HashMap<>();
    private final Map<SplitColor, LocalGroup> groups = new HashMap<>();
    private final LocalMessages messages;

    /**
     * A group.
     *
     * @param world that it belongs to
     * @param names what its ranks are called in the world
     */
    LocalGroup(LocalWorld world, int[] names) {
        this.names = names;
        this.waiting = new LocalWaiting(world, names, this);
        this.messages = new LocalMessages(waiting, names.length);
    }

    int size() {
        return names.length;
    }

    int nameOf(int rank) {
        return names[rank];
    }

    LocalWorld world() {
        return waiting.world();
    }

    LocalMessages messages() {
        return messages;
    }

    /**
     * Meets the others, does this rank's share, and waits until they have done theirs.
     *
     * @param rank who comes
     * @param number of the operation: all ranks count alike
     * @param own what it brings
     * @param share what it does with what all have brought
     */
    void meet(int rank, long number, Contribution own, Consumer<List<Contribution>> share) {
        Meeting meeting = arrive(rank, number, own);
        boolean done = false;
        try {
            share.accept(meeting.all());
            done = true;
        } catch (RuntimeException | Error e) {
            world().fail("rank " + names[rank] + " failed: " + e);
            throw e;
        } finally {
            synchronized (this) {
                meeting.working--;
                meeting.finished += done ? 1 : 0;
                notifyAll();
            }
        }
        finish(rank, number, own, meeting);
    }

    private synchronized Meeting arrive(int rank, long number, Contribution own) {
        if (world().hasFailed()) {
            throw waiting.failure(rank, own.what());
        }
        Meeting meeting = meetings.computeIfAbsent(number, key -> new Meeting(size()));
        meeting.given[rank] = own;
        if (++meeting.arrived == size()) {
            requireAgreement(meeting.all());
            notifyAll();
        }
        waiting.until(() -> meeting.arrived == size(), rank, own.what(), meeting::absent);
        if (world().hasFailed()) {
            waiting.uninterruptibly(() -> meeting.working == 0);
            throw waiting.failure(rank, own.what());
        }
        meeting.working++;
        return meeting;
    }

    private synchronized void finish(int rank, long number, Contribution own, Meeting meeting) {
        // Whoever has come is working or has failed: there is nothing to be impatient about.
        waiting.uninterruptibly(() -> meeting.finished == size() || (world().hasFailed() && meeting.working == 0));
        if (meeting.finished < size()) {
            throw waiting.failure(rank, own.what());
        }
        meetings.remove(number);
    }

    private void requireAgreement(List<Contribution> given) {
        for (int other = 1; other < size(); other++) {
            if (!given.get(other).fits(given.get(0))) {
                world().fail("the ranks do not agree: rank " + names[0] + " calls " + given.get(0) + ", rank "
                        + names[other] + " calls " + given.get(other));
                return;
            }
        }
    }

    /** A group of this group, and the number of a rank in it. */
    record Place(LocalGroup group, int rank) {}

    /**
     * The group that a rank of this one goes to, once for all who go there.
     *
     * @param rank whose place is asked for
     * @param number of the operation
     * @param given the colors and keys of all
     * @return the place
     */
    synchronized Place split(int rank, long number, List<Contribution> given) {
        int color = given.get(rank).color();
        List<Integer> members = IntStream.range(0, size())
                .filter(other -> given.get(other).color() == color)
                .boxed()
                .sorted(Comparator.comparingInt(other -> given.get(other).key())) // stable: else by rank
                .toList();
        LocalGroup group = groups.computeIfAbsent(
                new SplitColor(number, color),
                key -> new LocalGroup(
                        world(), members.stream().mapToInt(this::nameOf).toArray()));
        return new Place(group, members.indexOf(rank));
    }

    /** Says that a rank comes no more. */
    synchronized void leave(int rank) {
        waiting.leave(rank);
        if (waiting.isDeserted()) {
            messages.close();
        }
        notifyAll();
    }
}
