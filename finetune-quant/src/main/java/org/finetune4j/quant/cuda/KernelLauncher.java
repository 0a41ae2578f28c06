package org.finetune4j.quant.cuda;

import java.util.HashMap;
import java.util.Map;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.DeviceMemory;

/** Starts kernels on one GPU, in the context and on the stream that libtorch uses there. */
final class KernelLauncher {

    private static final int MOST_BLOCKS = 1 << 20;
    private static final long DEFAULT_STREAM = 0;

    private final CudaDriver driver;
    private final Device device;
    private final long context;
    private final long module;
    private final Map<String, Long> functions = new HashMap<>();

    /** Compiles the kernels, or takes what an earlier process compiled. */
    KernelLauncher(CudaDriver driver, KernelCompiler compiler, Device device) {
        this.driver = driver;
        this.device = device;
        byte[] image = compiler.compile(KernelSource.text(), driver.computeCapability(device.index()));
        this.context = driver.primaryContext(device.index());
        driver.pushContext(context);
        try {
            this.module = driver.loadModule(image);
        } finally {
            driver.popContext();
        }
    }

    /**
     * Starts a kernel.
     *
     * @param blocks of threads that the work could use
     * @param threads of a block
     */
    void launch(String kernel, long blocks, int threads, KernelArguments arguments) {
        if (blocks == 0) {
            return;
        }
        // libtorch gives no handle of a stream that is not the default one: the streams wait for each other then.
        boolean ownStream = DeviceMemory.currentStream(device) != DEFAULT_STREAM;
        if (ownStream) {
            DeviceMemory.synchronize(device);
        }
        driver.pushContext(context);
        try {
            driver.launch(
                    function(kernel), (int) Math.min(MOST_BLOCKS, blocks), threads, DEFAULT_STREAM, arguments.bits());
            if (ownStream) {
                driver.synchronize(DEFAULT_STREAM);
            }
        } finally {
            driver.popContext();
        }
    }

    private synchronized long function(String kernel) {
        return functions.computeIfAbsent(kernel, name -> driver.function(module, name));
    }
}
