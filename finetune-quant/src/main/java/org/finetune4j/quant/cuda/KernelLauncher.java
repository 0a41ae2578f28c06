package org.finetune4j.quant.cuda;

import java.util.HashMap;
import java.util.Map;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.DeviceMemory;

/** Starts kernels on one GPU, in the context and on the stream that libtorch uses there. */
final class KernelLauncher {

    private static final int MOST_BLOCKS = 1 << 20;
    private static final long DEFAULT_STREAM = 0;

    private final CudaContext context;
    private final Device device;
    private final long module;
    private final Map<String, Long> functions = new HashMap<>();

    /** Compiles the kernels, or takes what an earlier process compiled. */
    KernelLauncher(CudaContext context, KernelCompiler compiler, Device device) {
        this.context = context;
        this.device = device;
        byte[] image = compiler.compile(KernelSource.text(), context.computeCapability());
        this.module = context.call(driver -> driver.loadModule(image));
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
        boolean otherStream = DeviceMemory.currentStream(device) != DEFAULT_STREAM;
        if (otherStream) {
            DeviceMemory.synchronize(device);
        }
        context.run(driver -> {
            int grid = (int) Math.min(MOST_BLOCKS, blocks);
            driver.launch(function(driver, kernel), grid, threads, DEFAULT_STREAM, arguments.bits());
            if (otherStream) {
                driver.synchronize(DEFAULT_STREAM);
            }
        });
    }

    private synchronized long function(CudaDriver driver, String kernel) {
        return functions.computeIfAbsent(kernel, name -> driver.function(module, name));
    }
}
