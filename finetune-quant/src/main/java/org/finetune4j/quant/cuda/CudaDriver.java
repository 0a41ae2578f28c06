package org.finetune4j.quant.cuda;

/**
 * The few functions of the CUDA driver that kernels and shared memory need. Addresses, contexts, modules, functions and
 * streams are plain numbers; stream 0 is the default stream. A call that fails is a {@link CudaException} which names it.
 */
interface CudaDriver {

    /** The host, as a place to move memory to. */
    int HOST = -1;

    /** The newest version of CUDA that the driver knows, such as 12090. */
    int version();

    int deviceCount();

    /** The value of a {@code CUdevice_attribute}. */
    int attribute(int device, int attribute);

    /** Such as 90 for 9.0. */
    default int computeCapability(int device) {
        return 10 * attribute(device, CAPABILITY_MAJOR) + attribute(device, CAPABILITY_MINOR);
    }

    /** Whether managed memory can be moved to a device ahead of its use; on Windows it cannot. */
    default boolean canPrefetch(int device) {
        return attribute(device, CONCURRENT_MANAGED_ACCESS) != 0;
    }

    /** The context that libtorch uses on a device. */
    long primaryContext(int device);

    /** Makes a context the calling thread's, until {@link #popContext}. */
    void pushContext(long context);

    void popContext();

    /** @param image what NVRTC made: machine code, or PTX that ends with a zero byte */
    long loadModule(byte[] image);

    long function(long module, String name);

    /**
     * Starts a kernel in the current context.
     *
     * @param blocks of threads
     * @param threads of a block
     * @param arguments one a parameter, its bits from the lowest one on
     */
    void launch(long function, int blocks, int threads, long stream, long[] arguments);

    /** Memory that both the host and every device may touch; it moves to where it is touched. */
    long allocateManaged(long bytes);

    void free(long address);

    /**
     * Moves managed memory ahead of its use.
     *
     * @param device or {@link #HOST}
     */
    void prefetch(long address, long bytes, int device, long stream);

    /** Free bytes of the current context's device. */
    long freeMemory();

    /** Waits for all work of a stream. */
    void synchronize(long stream);

    /** Throws unless a result is 0. */
    default void check(String call, int result) {
        if (result != 0) {
            throw new CudaException(call + " failed: " + describe(result));
        }
    }

    /** A result's name, such as CUDA_ERROR_OUT_OF_MEMORY, and number. */
    String describe(int result);

    /**
     * Opens the driver: by the JavaCPP binding where the CUDA 12 runtime that it is linked to is found, else by its own
     * functions, for which the driver alone is enough.
     *
     * @throws CudaException when there is no driver or no GPU
     */
    static CudaDriver open() {
        return open(CudaLibraries.standard());
    }

    /** The same with other places to look in. */
    static CudaDriver open(CudaLibraries libraries) {
        CudaDriver driver = JavaCppDriver.isUsable(libraries) ? new JavaCppDriver() : JnaDriver.open(libraries);
        if (driver.deviceCount() == 0) {
            throw new CudaException("the CUDA driver sees no GPU");
        }
        return driver;
    }

    /** {@code CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR}. */
    int CAPABILITY_MAJOR = 75;

    /** {@code CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR}. */
    int CAPABILITY_MINOR = 76;

    /** Attribute of a device: whether it and the host may use managed memory at the same time. */
    int CONCURRENT_MANAGED_ACCESS = 89;
}
