package org.finetune4j.quant.cuda;

import java.util.HashMap;
import java.util.Map;
import java.util.function.Supplier;
import org.finetune4j.FinetuneException;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.Device;
import org.jspecify.annotations.Nullable;

/** The driver of this process, opened when something on a GPU first needs it. */
final class Cuda {

    private static final Map<Device, CudaContext> CONTEXTS = new HashMap<>();
    private static @Nullable CudaDriver driver;

    private Cuda() {}

    /** @throws CudaException when there is no driver, or no such GPU */
    static synchronized CudaContext context(Device device) {
        CudaDriver opened = driver;
        if (opened == null) {
            opened = CudaDriver.open();
            driver = opened;
        }
        CudaDriver known = opened;
        return CONTEXTS.computeIfAbsent(device, key -> new CudaContext(known, key.index()));
    }

    /**
     * Turns what the driver, NVRTC or a missing library say into one line for the user.
     *
     * @param what cannot be had, such as "its kernels cannot run"
     * @param instead what the user can do
     */
    static <T> T orExplain(Device device, String what, String instead, Supplier<T> action) {
        try {
            return action.get();
        } catch (FinetuneException | LinkageError e) {
            throw new UserErrorException(
                    "tensors are on " + device + ", but " + what + ": " + Reasons.of(e) + "; " + instead, e);
        }
    }
}
