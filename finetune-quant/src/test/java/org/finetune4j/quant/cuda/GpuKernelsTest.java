package org.finetune4j.quant.cuda;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.finetune4j.quant.kernel.DeviceKernels;
import org.finetune4j.tensor.Device;

/** The kernels on a real GPU, where there is one. */
class GpuKernelsTest extends DeviceKernelsContract {

    @Override
    DeviceKernels open() {
        assumeTrue(device().type() == Device.Type.CUDA, "no GPU here, or no libtorch for it");
        return DeviceKernels.of(device()).orElseThrow();
    }

    @Override
    Device device() {
        return Device.best();
    }
}
