package org.finetune4j.quant.optimizer;

import java.util.Optional;
import org.finetune4j.tensor.Device;
import org.finetune4j.train.offload.StateMemory;

/** Makes memory for paged states on a device that is not the CPU; found by service loading. */
@FunctionalInterface
public interface PagedMemoryProvider {

    /**
     * Memory on a device, or nothing when this provider knows no such device.
     *
     * @param device the parameters' device
     * @param allowance most bytes that may be in the device's memory; the states of one parameter always are while it is
     *     updated
     * @return the memory, which the caller closes, or nothing
     * @throws org.finetune4j.UserErrorException when it should be there but cannot be used
     */
    Optional<StateMemory> memory(Device device, long allowance);
}
