package org.finetune4j.train.preflight;

import org.finetune4j.tensor.Device;
import org.finetune4j.train.memory.ProcessMemory;

/** The plan fits the memory that is free. */
public final class MemoryCheck implements PreflightCheck {

    /** How far the plan may be off. */
    private static final double ERROR = 1.15;

    @Override
    public void check(PreflightContext context, Findings findings) {
        long available = ProcessMemory.availableBytes();
        long resident = ProcessMemory.residentBytes();
        if (available < 0 || resident < 0 || !context.model().device().equals(Device.CPU)) {
            return;
        }
        long needed = context.memory().peak() - resident;
        if (needed > available) {
            String message = "the run needs about " + (needed >> 20) + " MB more, " + (available >> 20)
                    + " MB are free; lower per_device_train_batch_size or max_length, or set"
                    + " gradient_checkpointing: true";
            if (needed > ERROR * available) {
                findings.error(message);
            } else {
                findings.warning(message);
            }
        }
    }
}
