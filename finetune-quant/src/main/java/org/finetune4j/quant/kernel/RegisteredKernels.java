package org.finetune4j.quant.kernel;

import java.util.List;
import org.finetune4j.Services;

/** The factory of kernels for devices, which is looked up once, when the first tensor is not on the CPU. */
final class RegisteredKernels {

    static final List<DeviceKernelsProvider> PROVIDERS = Services.of(DeviceKernelsProvider.class);

    private RegisteredKernels() {}
}
