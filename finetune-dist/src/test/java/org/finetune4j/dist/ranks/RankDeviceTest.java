package org.finetune4j.dist.ranks;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.LocalCommunicator;
import org.finetune4j.tensor.Device;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RankDeviceTest {

    @ParameterizedTest(name = "rank {0} of a host with {1} GPUs")
    @CsvSource({"0, 1, 0", "3, 8, 3", "5, 4, 1"})
    void ranksOfAHostTakeAGpuEach(int rank, int gpus, int index) {
        assertEquals(card(index), Ranks.card(rank, gpus));
    }

    @Test
    void theCpuIsEverybodys() {
        try (Communicator alone = LocalCommunicator.single()) {
            assertEquals(Device.CPU, Ranks.device(alone, Device.CPU));
            assertEquals(card(1), Ranks.device(alone, card(1)));
        }
    }

    private static Device card(int index) {
        return new Device(Device.Type.CUDA, index);
    }
}
