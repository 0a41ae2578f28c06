package org.finetune4j.nn;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** Threads of one process that hold a model's parts together, each as a rank of its own. */
public final class InMemoryRanks {

    private final int ranks;
    private final CyclicBarrier barrier;
    private final Tensor[] given;

    public InMemoryRanks(int ranks) {
        this.ranks = ranks;
        this.barrier = new CyclicBarrier(ranks);
        this.given = new Tensor[ranks];
    }

    /** Does the same on every rank, each on a thread of its own. */
    public <T> List<T> run(Function<ShardGatherer, T> work) {
        List<CompletableFuture<T>> running = new ArrayList<>();
        for (int rank = 0; rank < ranks; rank++) {
            ShardGatherer gatherer = new Rank(rank);
            CompletableFuture<T> result = new CompletableFuture<>();
            new Thread(() -> {
                        try {
                            result.complete(work.apply(gatherer));
                        } catch (Throwable e) {
                            result.completeExceptionally(e);
                            barrier.reset();
                        }
                    })
                    .start();
            running.add(result);
        }
        List<T> results = new ArrayList<>();
        for (CompletableFuture<T> each : running) {
            try {
                results.add(each.get(60, TimeUnit.SECONDS));
            } catch (ExecutionException e) {
                throw new AssertionError(e.getCause());
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        }
        return results;
    }

    private final class Rank implements ShardGatherer {

        private final int rank;

        Rank(int rank) {
            this.rank = rank;
        }

        @Override
        public int rank() {
            return rank;
        }

        @Override
        public int ranks() {
            return ranks;
        }

        @Override
        public void allGather(Tensor part, Tensor whole) {
            long length = part.numel();
            exchange(part, (from, tensor) -> whole.narrow(0, from * length, length)
                    .copyInPlace(tensor));
        }

        @Override
        public void reduceScatter(Tensor whole, Tensor part) {
            part.zeroInPlace();
            exchange(whole, (from, tensor) -> part.addInPlace(tensor.narrow(0, rank * part.numel(), part.numel())));
        }

        private interface Received {
            void from(int rank, Tensor tensor);
        }

        /** Shows a tensor to all and looks at theirs, in the order of the ranks. */
        private void exchange(Tensor own, Received received) {
            try (Autograd.Mode mode = Autograd.disabled();
                    TensorScope scope = TensorScope.open()) {
                given[rank] = own;
                barrier.await(60, TimeUnit.SECONDS);
                for (int from = 0; from < ranks; from++) {
                    received.from(from, given[from]);
                }
                barrier.await(60, TimeUnit.SECONDS);
            } catch (Exception e) {
                throw new IllegalStateException("another rank failed", e);
            }
        }
    }
}
