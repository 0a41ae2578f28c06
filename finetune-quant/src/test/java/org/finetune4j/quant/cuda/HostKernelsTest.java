package org.finetune4j.quant.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import org.finetune4j.quant.kernel.DeviceKernels;
import org.finetune4j.tensor.Device;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;

/** The kernels as the host's compiler understands them, behind a driver that the host plays. */
@Tag("slow")
class HostKernelsTest extends DeviceKernelsContract {

    @TempDir
    private Path cache;

    @Override
    DeviceKernels open() {
        return HostCuda.kernels(cache);
    }

    @Override
    Device device() {
        return Device.CPU;
    }

    @AfterEach
    void everyContextIsGivenBack() {
        assertEquals(0, HostCuda.contexts());
    }
}
