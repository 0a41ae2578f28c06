package org.finetune4j.dist.communicator.watchdog;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** What the first rank knows of all, and what it concludes: which of them is the reason why the others cannot go on. */
final class RankStates {

    private static final class State {
        final String where;
        final Map<String, Long> operations = new HashMap<>();
        long heardNanoseconds;
        boolean left;

        State(String where, long now) {
            this.where = where;
            this.heardNanoseconds = now;
        }
    }

    private final int size;
    private final long silenceNanoseconds;
    private final Map<Integer, State> states = new HashMap<>();

    /**
     * Nobody has come yet.
     *
     * @param size how many ranks there are
     * @param silenceNanoseconds after which somebody who has said nothing is given up
     */
    RankStates(int size, long silenceNanoseconds) {
        this.size = size;
        this.silenceNanoseconds = silenceNanoseconds;
    }

    /** A rank says who it is. */
    void hello(int rank, String where, long now) {
        states.put(rank, new State(where, now));
    }

    /** A rank says that it is there, and how many operations it has begun in each group: {@code group number group number ...}. */
    void alive(int rank, String operations, long now) {
        State state = states.get(rank);
        if (state == null) {
            return;
        }
        state.heardNanoseconds = now;
        String[] words =
                operations.isBlank() ? new String[0] : operations.strip().split(" ");
        for (int i = 0; i + 1 < words.length; i += 2) {
            state.operations.put(words[i], Long.valueOf(words[i + 1]));
        }
    }

    /** A rank is done; returns whether all are. */
    boolean bye(int rank) {
        State state = states.get(rank);
        if (state != null) {
            state.left = true;
        }
        return states.size() == size && states.values().stream().allMatch(each -> each.left);
    }

    /** A rank's connection has ended: why that is bad, or nothing where it was done. */
    Optional<String> disconnected(int rank) {
        State state = states.get(rank);
        return state == null || state.left ? Optional.empty() : Optional.of(name(rank) + " has died");
    }

    /** The first rank that has said nothing for too long. */
    Optional<String> silent(long now) {
        for (Map.Entry<Integer, State> each : states.entrySet()) {
            long silence = now - each.getValue().heardNanoseconds;
            if (!each.getValue().left && silence > silenceNanoseconds) {
                return Optional.of(name(each.getKey()) + " has said nothing for " + Math.round(silence / 1e9)
                        + " s: it is stopped, or its host or the network is gone");
            }
        }
        return Optional.empty();
    }

    /** Why a rank waits in vain: whoever it waits for has left, or has not come for too long. */
    Optional<String> waiting(int rank, WaitingRank wait) {
        List<Integer> absent = new ArrayList<>();
        List<Integer> gone = new ArrayList<>();
        for (int member : wait.members()) {
            @Nullable State state = states.get(member);
            if (state == null || state.operations.getOrDefault(wait.group(), 0L) < wait.number()) {
                absent.add(member);
                if (state != null && state.left) {
                    gone.add(member);
                }
            }
        }
        String of = " waited in " + wait.what();
        if (!gone.isEmpty()) {
            return Optional.of(names(gone) + " left the group while " + name(rank) + of);
        }
        if (!wait.isOver()) {
            return Optional.empty();
        }
        return Optional.of(
                (absent.isEmpty() ? "the data did not come" : names(absent) + " did not come to " + wait.what()) + ": "
                        + name(rank) + " waited " + wait.seconds() + " s"
                        + (absent.isEmpty() ? " in " + wait.what() : ""));
    }

    /** {@return how messages call a rank} */
    String name(int rank) {
        State state = states.get(rank);
        return "rank " + rank + (state == null ? "" : " (" + state.where + ")");
    }

    private String names(List<Integer> ranks) {
        return ranks.stream().map(this::name).collect(Collectors.joining(", "));
    }
}
