package org.finetune4j.dist.communicator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.time.Duration;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What lies where goes by whom, told by two communicators of the host's memory in the place of a GPU's. */
@Timeout(120)
class DeviceCommunicatorTest {

    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final Device CARD = new Device(Device.Type.CUDA, 0);

    private static void run(int ranks, CommunicatorCase contract, Device device) {
        LocalRanks.run(ranks, PATIENCE, rank -> {
            Communicator host = rank.split(0, rank.rank());
            try (Communicator both = new DeviceCommunicator(host, rank.split(0, rank.rank()), device)) {
                contract.on(both, Device.CPU);
            }
        });
    }

    /** As if the host's memory were the device. */
    @Nested
    class OfTheDevice extends CommunicatorContract {
        @Override
        protected void run(int ranks, CommunicatorCase contract) {
            DeviceCommunicatorTest.run(ranks, contract, Device.CPU);
        }
    }

    /** Beside a device. */
    @Nested
    class OfTheHost extends CommunicatorContract {
        @Override
        protected void run(int ranks, CommunicatorCase contract) {
            DeviceCommunicatorTest.run(ranks, contract, CARD);
        }
    }

    @Test
    void everyTensorGoesByTheOneThatReachesIt() {
        LocalRanks.run(2, PATIENCE, rank -> {
            Communicator host = rank.split(0, rank.rank());
            Communicator other = rank.split(0, rank.rank());
            try (Communicator both = new DeviceCommunicator(host, other, CARD)) {
                both.allReduce(Tensors.of(new double[] {1, 2}, 2), Reduction.SUM)
                        .await();
                assertEquals(1, host.volume().operations());
                assertEquals(0, other.volume().operations());
                assertEquals(16, both.volume().bytesSent());
            }
        });
    }

    @Test
    void thoseOfOtherRanksAreNotPutTogether() {
        LocalRanks.run(2, PATIENCE, rank -> {
            try (Communicator turned = rank.split(0, 1 - rank.rank())) {
                assertThrows(IllegalArgumentException.class, () -> new DeviceCommunicator(rank, turned, CARD));
            }
        });
    }
}
