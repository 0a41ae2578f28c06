package org.finetune4j.dist.ranks;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.LocalCommunicator;
import org.finetune4j.tensor.Device;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RankDeviceTest {

    @ParameterizedTest(name = "rank {1} of a host with {2} GPUs, from GPU {0} on")
    @CsvSource({"0, 0, 1, 0", "0, 3, 8, 3", "0, 5, 4, 1", "1, 1, 2, 0"})
    void ranksOfAHostTakeAGpuEach(int first, int rank, int gpus, int index) {
        assertEquals(card(index), Ranks.following(card(first), rank, gpus));
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
