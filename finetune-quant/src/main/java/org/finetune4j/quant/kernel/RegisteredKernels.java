package org.finetune4j.quant.kernel;

import java.util.List;
import java.util.ServiceLoader;

/** The factory of kernels for devices, which is looked up once, when the first tensor is not on the CPU. */
final class RegisteredKernels {

    static final List<DeviceKernelsProvider> PROVIDERS = ServiceLoader.load(DeviceKernelsProvider.class).stream()
            .map(ServiceLoader.Provider::get)
            .toList();

    private RegisteredKernels() {}
}
