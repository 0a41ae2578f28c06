package org.finetune4j.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DeviceTest {

    @ParameterizedTest
    @CsvSource({"0, 1, 0", "0, 8, 0", "3, 8, 3", "5, 4, 1"})
    void ranksOfAMachineHaveAGpuEach(int rank, int gpus, int index) {
        assertEquals(new Device(Device.Type.CUDA, index), Device.best(rank, gpus));
    }

    @Test
    void withoutAGpuItIsTheCpu() {
        assertEquals(Device.CPU, Device.best(3, 0));
    }
}
