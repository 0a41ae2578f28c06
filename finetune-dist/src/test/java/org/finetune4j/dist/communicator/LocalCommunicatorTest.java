package org.finetune4j.dist.communicator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Ranks that are threads of one process. */
@Timeout(120)
class LocalCommunicatorTest extends CommunicatorContract {

    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final Duration IMPATIENCE = Duration.ofMillis(200);

    @Override
    protected void run(int ranks, CommunicatorCase contract) {
        LocalRanks.run(ranks, PATIENCE, rank -> contract.on(rank, Device.CPU));
    }

    @Test
    void oneRankWaitsForNobody() {
        try (Communicator single = LocalCommunicator.single()) {
            for (CommunicatorCase contract : CommunicatorCase.values()) {
                contract.on(single, Device.CPU);
            }
        }
    }

    @Test
    void whatARankThrowsIsThrownAndEndsTheOthers() {
        IllegalStateException e = assertThrows(
                IllegalStateException.class,
                () -> LocalRanks.run(3, PATIENCE, rank -> {
                    if (rank.rank() == 1) {
                        throw new IllegalStateException("no more");
                    }
                    rank.barrier();
                }));
        assertEquals("no more", e.getMessage());
    }

    @Test
    void theOthersAreToldWhoGaveUpAndWhy() {
        List<String> told = LocalRanks.call(3, PATIENCE, rank -> {
            if (rank.rank() == 2) {
                rank.abort("no memory");
                return "";
            }
            return reasonOf(rank::barrier);
        });
        assertEquals("rank 0 in barrier: rank 2 gave up: no memory", told.get(0));
        assertEquals("rank 1 in barrier: rank 2 gave up: no memory", told.get(1));
    }

    @Test
    void aGroupEndsWhenAnotherGroupOfTheSameRanksDoes() {
        List<String> told = LocalRanks.call(3, PATIENCE, rank -> {
            try (Communicator part = rank.split(rank.rank() == 2 ? 1 : 0, 0)) {
                if (rank.rank() == 2) {
                    part.abort("no memory");
                    return "";
                }
                if (rank.rank() == 1) {
                    return reasonOf(rank::barrier);
                }
                return reasonOf(part::barrier);
            }
        });
        assertEquals("rank 0 in barrier: rank 2 gave up: no memory", told.get(0));
    }

    @Test
    void whoDoesNotComeIsNamed() {
        CountDownLatch ended = new CountDownLatch(2);
        List<String> told = LocalRanks.call(3, IMPATIENCE, rank -> {
            if (rank.rank() == 1) {
                assertTrue(ended.await(60, TimeUnit.SECONDS));
                return reasonOf(rank::barrier);
            }
            try {
                return reasonOf(() -> rank.allReduce(Tensors.ones(DType.FLOAT32, Device.CPU, 3), Reduction.SUM)
                        .await());
            } finally {
                ended.countDown();
            }
        });
        assertTrue(
                told.get(0).startsWith("rank 0 in all-reduce SUM: rank 1 did not come to all-reduce SUM: rank "),
                told.get(0));
        assertTrue(told.get(0).endsWith("waited 0.2 s"), told.get(0));
        assertTrue(told.get(1).startsWith("rank 1 in barrier: rank 1 did not come"), told.get(1));
    }

    @Test
    void whoHasLeftIsNamed() {
        List<String> told = LocalRanks.call(2, PATIENCE, rank -> rank.rank() == 1 ? "" : reasonOf(rank::barrier));
        assertEquals("rank 0 in barrier: rank 1 left the group while rank 0 waited in barrier", told.get(0));
    }

    @Test
    void aMessageThatNobodySendsEnds() {
        List<String> told = LocalRanks.call(
                2,
                IMPATIENCE,
                rank -> reasonOf(() -> rank.receive(Tensors.ones(DType.FLOAT32, Device.CPU, 3), 1 - rank.rank())
                        .await()));
        assertTrue(told.get(0).contains("waited 0.2 s") || told.get(1).contains("waited 0.2 s"), told.toString());
    }

    @Test
    void ranksThatDoNotAgreeAreNamed() {
        List<String> told = LocalRanks.call(2, PATIENCE, rank -> {
            Tensor tensor = Tensors.ones(rank.rank() == 0 ? DType.FLOAT32 : DType.BFLOAT16, Device.CPU, 3);
            return reasonOf(() -> rank.allReduce(tensor, Reduction.SUM).await());
        });
        assertTrue(
                told.get(0)
                        .endsWith("the ranks do not agree: rank 0 calls all-reduce SUM of 3 float32,"
                                + " rank 1 calls all-reduce SUM of 3 bfloat16"),
                told.get(0));
        assertTrue(told.get(1).contains("the ranks do not agree"), told.get(1));

        told = LocalRanks.call(2, PATIENCE, rank -> {
            Tensor tensor = Tensors.ones(DType.FLOAT32, Device.CPU, 3 + rank.rank());
            if (rank.rank() == 0) {
                rank.send(tensor, 1).await();
                return "";
            }
            return reasonOf(() -> rank.receive(tensor, 0).await());
        });
        assertTrue(
                told.get(1).endsWith("the ranks do not agree: rank 0 sends 3 float32, rank 1 receives 4 float32"),
                told.get(1));
    }

    @Test
    void aTensorThatIsClosedTooEarlyHarmsNobody() {
        LocalRanks.run(4, PATIENCE, rank -> {
            Tensor tensor = Tensors.ones(DType.FLOAT32, Device.CPU, 200_000);
            Pending pending = rank.allReduce(tensor, Reduction.SUM);
            tensor.close();
            pending.await();
        });
    }

    @Test
    void communicationGoesOnBehindWhatARankDoes() {
        LocalRanks.run(2, PATIENCE, rank -> {
            Tensor tensor = Tensors.ones(DType.FLOAT32, Device.CPU, 10);
            Pending pending = rank.allReduce(tensor, Reduction.SUM);
            while (!pending.isDone()) {
                Thread.onSpinWait(); // nobody awaits it
            }
            assertEquals(2, tensor.toFloatArray()[0]);
        });
    }

    private static String reasonOf(Runnable operation) {
        return String.valueOf(
                assertThrows(CommunicationException.class, operation::run).getMessage());
    }
}
