package org.finetune4j.dist.communicator.nccl;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.time.Duration;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.CommunicatorCase;
import org.finetune4j.dist.communicator.LocalCommunicator;
import org.finetune4j.tensor.Device;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** NCCL with one rank, which is all that one GPU allows. */
class NcclCommunicatorTest {

    private static final Duration PATIENCE = Duration.ofSeconds(60);

    @ParameterizedTest
    @EnumSource(CommunicatorCase.class)
    void oneRankFindsWhatItShould(CommunicatorCase contract) {
        Device device = Device.best();
        assumeTrue(device.type() == Device.Type.CUDA, "no GPU here, or no libtorch for it");
        try (Communicator rank = NcclCommunicator.over(LocalCommunicator.single(), device, PATIENCE)) {
            contract.on(rank, device);
        }
    }

    @Test
    void aProcessorIsNoPlaceForIt() {
        try (Communicator companion = LocalCommunicator.single()) {
            String reason = assertThrows(
                            IllegalArgumentException.class,
                            () -> NcclCommunicator.over(companion, Device.CPU, PATIENCE))
                    .getMessage();
            assertEquals("NCCL on cpu", reason);
        }
    }
}
