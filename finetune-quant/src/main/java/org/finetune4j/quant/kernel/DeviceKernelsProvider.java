package org.finetune4j.quant.kernel;

import java.util.Optional;
import org.finetune4j.tensor.Device;

/** Makes {@link DeviceKernels}; found by service loading, and only when a tensor is not on the CPU. */
@FunctionalInterface
public interface DeviceKernelsProvider {

    /**
     * The kernels for a device, or nothing when this provider has none for it.
     *
     * @param device where the tensors are
     * @return the kernels, or nothing
     * @throws org.finetune4j.UserErrorException when they should be there but cannot run
     */
    Optional<DeviceKernels> kernels(Device device);
}
