package org.finetune4j.quant.cuda;

import java.util.Optional;
import org.finetune4j.quant.optimizer.PagedMemoryProvider;
import org.finetune4j.tensor.Device;
import org.finetune4j.train.offload.StateMemory;

/** Registers CUDA's managed memory for paged optimizer states. */
public final class ManagedMemoryProvider implements PagedMemoryProvider {

    @Override
    public Optional<StateMemory> memory(Device device, long allowance) {
        if (device.type() != Device.Type.CUDA) {
            return Optional.empty();
        }
        return Optional.of(Cuda.orExplain(
                device,
                "managed memory cannot be had",
                "choose adamw_8bit or adamw, whose states are not paged",
                () -> new ManagedStateMemory(Cuda.context(device), device, allowance)));
    }
}
