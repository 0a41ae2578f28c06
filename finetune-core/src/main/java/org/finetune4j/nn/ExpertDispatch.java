package org.finetune4j.nn;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * The way of one block's tokens to the experts of all processes and back. What a process sends to each of the others has one length,
 * that of the longest part anywhere; the rest is zeros.
 */
final class ExpertDispatch {

    /** Runs one expert. */
    @FunctionalInterface
    interface Expert {

        /**
         * @param number among all experts
         * @param tokens [count, hidden]
         * @param arrived where they come from
         * @return [count, hidden]
         */
        Tensor run(int number, Tensor tokens, Arrived arrived);
    }

    /**
     * Tokens of one expert.
     *
     * @param start which of the tokens that came to this process is the first
     * @param counts how many come from each process, in the order of the processes
     */
    record Arrived(int start, int[] counts) {}

    private final ExpertExchange exchange;
    private final int experts;
    private final long[] sent;
    private final long[] counts;
    private final int length;

    /**
     * All processes make theirs.
     *
     * @param sent how many tokens each expert gets from this process
     * @param tokens where they are
     */
    ExpertDispatch(ExpertExchange exchange, long[] sent, Tensor tokens) {
        this.exchange = exchange;
        this.experts = sent.length;
        this.sent = sent.clone();
        this.counts = exchange.counts(sent, tokens.device());
        long longest = 1;
        for (int from = 0; from < exchange.ranks(); from++) {
            for (int to = 0; to < exchange.ranks(); to++) {
                longest = Math.max(longest, partLength(from, to));
            }
        }
        this.length = Math.toIntExact(longest);
    }

    /** The first expert of a process. */
    static int first(int rank, int ranks, int experts) {
        return (int) ((long) experts * rank / ranks);
    }

    private int first(int rank) {
        return first(rank, exchange.ranks(), experts);
    }

    private long count(int from, int expert) {
        return counts[from * experts + expert];
    }

    /** The experts of this process that get no token of any. */
    List<Integer> idle() {
        List<Integer> idle = new ArrayList<>();
        for (int expert = first(exchange.rank()); expert < first(exchange.rank() + 1); expert++) {
            long tokens = 0;
            for (int from = 0; from < exchange.ranks(); from++) {
                tokens += count(from, expert);
            }
            if (tokens == 0) {
                idle.add(expert);
            }
        }
        return idle;
    }

    private long partLength(int from, int to) {
        return Arrays.stream(counts, from * experts + first(to), from * experts + first(to + 1))
                .sum();
    }

    /**
     * Runs tokens through the experts, wherever these are.
     *
     * @param tokens [count, hidden], sorted by expert
     * @param trains whether an expert of any process trains, or what comes to it
     * @param expert one of this process's
     * @return [count, hidden], in the order of the tokens
     */
    Tensor run(Tensor tokens, boolean trains, Expert expert) {
        // Gradients go back through an exchange on every process or on none: one that no token needs may be needed
        // elsewhere.
        Tensor none = Tensors.zeros(tokens.dtype(), tokens.device(), 0, tokens.size(1))
                .requiresGrad(trains);
        Tensor places = index(places(), tokens);
        Tensor order = index(order(), tokens);
        Tensor received = exchange.exchange(placed(Tensors.cat(List.of(tokens, none), 0), places));
        Tensor mine = received.indexSelect(0, order); // sorted by expert
        List<Tensor> outputs = new ArrayList<>(List.of(mine.narrow(0, 0, 0)));
        int at = 0;
        for (int i = first(exchange.rank()); i < first(exchange.rank() + 1); i++) {
            int[] fromEach = new int[exchange.ranks()];
            for (int from = 0; from < fromEach.length; from++) {
                fromEach[from] = Math.toIntExact(count(from, i));
            }
            int count = Arrays.stream(fromEach).sum();
            if (count > 0) {
                outputs.add(expert.run(i, mine.narrow(0, at, count), new Arrived(at, fromEach)));
            }
            at += count;
        }
        Tensor returned = exchange.exchange(placed(Tensors.cat(outputs, 0), order));
        return returned.indexSelect(0, places);
    }

    /**
     * Sends a number along with every token.
     *
     * @param numbers of this process's tokens, sorted by expert
     * @param device where tokens are
     * @return those of the tokens that come to this process, in the order in which its experts get them
     */
    long[] sent(long[] numbers, Device device) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor own = Tensors.of(numbers, numbers.length, 1).to(device);
            Tensor received = exchange.exchange(placed(own, index(places(), own)));
            return received.indexSelect(0, index(order(), own)).toLongArray();
        }
    }

    private static Tensor index(long[] rows, Tensor tokens) {
        return Tensors.of(rows, rows.length).to(tokens.device());
    }

    private Tensor placed(Tensor rows, Tensor places) {
        return Tensors.zeros(rows.dtype(), rows.device(), (long) exchange.ranks() * length, rows.size(1))
                .indexAddInPlace(0, places, rows);
    }

    /** Where in the parts each token of this process goes. */
    private long[] places() {
        long[] places = new long[Math.toIntExact(Arrays.stream(sent).sum())];
        int next = 0;
        for (int to = 0; to < exchange.ranks(); to++) {
            long own = partLength(exchange.rank(), to);
            for (int i = 0; i < own; i++) {
                places[next++] = (long) to * length + i;
            }
        }
        return places;
    }

    /** Where in the parts that came each token is: those of an expert together, in the order of the processes they came from. */
    private long[] order() {
        int self = exchange.rank();
        long[] next = new long[exchange.ranks()];
        int all = 0;
        for (int from = 0; from < next.length; from++) {
            next[from] = (long) from * length;
            all += Math.toIntExact(partLength(from, self));
        }
        long[] order = new long[all];
        int at = 0;
        for (int expert = first(self); expert < first(self + 1); expert++) {
            for (int from = 0; from < next.length; from++) {
                for (long i = count(from, expert); i > 0; i--) {
                    order[at++] = next[from]++;
                }
            }
        }
        return order;
    }
}
