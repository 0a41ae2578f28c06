package org.finetune4j.dist.communicator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.NativeMemory;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Many operations at once, on many ranks, in groups that cross each other. */
@Timeout(120)
class LocalStressTest {

    private static final Duration PATIENCE = Duration.ofSeconds(60);

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void thousandsOfOperationsOnARowAndAColumnGiveWhatTheyShould(long seed) {
        LocalRanks.run(8, PATIENCE, world -> {
            try (Communicator row = world.split(world.rank() / 4, 0);
                    Communicator column = world.split(world.rank() % 4, 0);
                    TensorScope scope = TensorScope.open()) {
                Random random = new Random(seed); // the same on every rank
                List<Tensor> tensors = new ArrayList<>();
                List<Long> expected = new ArrayList<>();
                List<Pending> pending = new ArrayList<>();
                for (int i = 0; i < 400; i++) {
                    Communicator group = List.of(world, row, column).get(random.nextInt(3));
                    Tensor tensor = Tensors.full(world.rank() + i, DType.INT64, Device.CPU, 1 + random.nextInt(50));
                    pending.add(group.allReduce(tensor, Reduction.MAX));
                    tensors.add(tensor);
                    expected.add(largest(world, group, row) + i);
                    if (random.nextInt(20) == 0) {
                        pending.forEach(Pending::await);
                        pending.clear();
                    }
                }
                pending.forEach(Pending::await);
                for (int i = 0; i < tensors.size(); i++) {
                    assertEquals(expected.get(i), tensors.get(i).toLongArray()[0]);
                }
            }
        });
    }

    /** The largest rank of the world in a group. */
    private static long largest(Communicator world, Communicator group, Communicator row) {
        if (group == world) {
            return 7;
        }
        return group == row ? world.rank() / 4 * 4 + 3 : 4 + world.rank() % 4;
    }

    @Test
    void operationsLeaveNoMemoryBehind() {
        long leaked = NativeMemory.leak(() -> LocalRanks.run(3, PATIENCE, rank -> {
            try (TensorScope scope = TensorScope.open()) {
                Tensor whole = Tensors.ones(DType.BFLOAT16, Device.CPU, 30_000);
                Tensor part = Tensors.ones(DType.BFLOAT16, Device.CPU, 10_000);
                int next = (rank.rank() + 1) % 3;
                int previous = (rank.rank() + 2) % 3;
                for (int i = 0; i < 100; i++) {
                    rank.allReduce(whole, Reduction.MAX).await();
                    rank.reduceScatter(whole, part, Reduction.SUM).await();
                    rank.allGather(part, whole).await();
                    rank.send(part, next).await();
                    rank.receive(part, previous).await();
                    rank.split(0, 0).close();
                    try (TensorScope step = TensorScope.open()) {
                        whole.zeroInPlace();
                    }
                }
                rank.send(part, next).await(); // which nobody receives
            }
        }));
        // 300 rounds of 20 to 60 KB tensors: whoever keeps one a round keeps 6 MB and more.
        assertTrue(leaked < 3 << 20, "kept " + leaked + " bytes");
    }
}
