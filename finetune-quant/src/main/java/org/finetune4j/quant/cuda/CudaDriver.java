package org.finetune4j.quant.cuda;

import org.bytedeco.cuda.cudart.CUctx_st;
import org.bytedeco.cuda.cudart.CUfunc_st;
import org.bytedeco.cuda.cudart.CUmod_st;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.SizeTPointer;

/**
 * The few functions of the CUDA driver that kernels and shared memory need, through {@code org.bytedeco:cuda}. Addresses, contexts,
 * modules, functions and streams are plain numbers; stream 0 is the default stream. A call that fails is a {@link CudaException}
 * which names it.
 */
final class CudaDriver {

    /** The host, as a place to move memory to. */
    static final int HOST = -1;

    private CudaDriver() {
        check("cuInit", cudart.cuInit(0));
    }

    /**
     * Opens the driver.
     *
     * @throws CudaException when there is no driver, no GPU, or no CUDA runtime, which the binding is linked to
     */
    static CudaDriver open() {
        return open(CudaLibraries.standard());
    }

    /** The same with other places to look in. */
    static CudaDriver open(CudaLibraries libraries) {
        LinkedLibraries.loadDriver(libraries);
        CudaDriver driver = new CudaDriver();
        if (driver.deviceCount() == 0) {
            throw new CudaException("the CUDA driver sees no GPU");
        }
        return driver;
    }

    /** The newest version of CUDA that the driver knows, such as 12090. */
    int version() {
        int[] version = new int[1];
        check("cuDriverGetVersion", cudart.cuDriverGetVersion(version));
        return version[0];
    }

    int deviceCount() {
        int[] count = new int[1];
        check("cuDeviceGetCount", cudart.cuDeviceGetCount(count));
        return count[0];
    }

    /** The value of a {@code CUdevice_attribute}. */
    int attribute(int device, int attribute) {
        int[] value = new int[1];
        check("cuDeviceGetAttribute", cudart.cuDeviceGetAttribute(value, attribute, handle(device)));
        return value[0];
    }

    /** Such as 90 for 9.0. */
    int computeCapability(int device) {
        return 10 * attribute(device, cudart.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
                + attribute(device, cudart.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    }

    /** Whether managed memory can be moved to a device ahead of its use; on Windows it cannot. */
    boolean canPrefetch(int device) {
        return attribute(device, cudart.CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS) != 0;
    }

    private int handle(int device) {
        int[] handle = new int[1];
        check("cuDeviceGet", cudart.cuDeviceGet(handle, device));
        return handle[0];
    }

    /** The context that libtorch uses on a device. */
    long primaryContext(int device) {
        CUctx_st context = new CUctx_st();
        check("cuDevicePrimaryCtxRetain", cudart.cuDevicePrimaryCtxRetain(context, handle(device)));
        return context.address();
    }

    /** Makes a context the calling thread's, until {@link #popContext}. */
    void pushContext(long context) {
        check("cuCtxPushCurrent", cudart.cuCtxPushCurrent(new CUctx_st(new Address(context))));
    }

    void popContext() {
        check("cuCtxPopCurrent", cudart.cuCtxPopCurrent(new CUctx_st()));
    }

    /** @param image what NVRTC made: machine code, or PTX that ends with a zero byte */
    long loadModule(byte[] image) {
        try (BytePointer copy = new BytePointer(image)) {
            CUmod_st module = new CUmod_st();
            check("cuModuleLoadData", cudart.cuModuleLoadData(module, copy));
            return module.address();
        }
    }

    long function(long module, String name) {
        CUfunc_st function = new CUfunc_st();
        check("cuModuleGetFunction", cudart.cuModuleGetFunction(function, new CUmod_st(new Address(module)), name));
        return function.address();
    }

    /**
     * Starts a kernel in the current context.
     *
     * @param blocks of threads
     * @param threads of a block
     * @param arguments one a parameter, its bits from the lowest one on
     */
    void launch(long function, int blocks, int threads, long stream, long[] arguments) {
        try (LongPointer values = new LongPointer(arguments);
                PointerPointer<Pointer> table = new PointerPointer<>(arguments.length);
                PointerPointer<Pointer> nothing = new PointerPointer<>((Pointer) null)) {
            for (int i = 0; i < arguments.length; i++) {
                table.put(i, new Address(values.address() + 8L * i));
            }
            // The driver has copied the arguments when it returns.
            check(
                    "cuLaunchKernel",
                    cudart.cuLaunchKernel(
                            new CUfunc_st(new Address(function)),
                            blocks,
                            1,
                            1,
                            threads,
                            1,
                            1,
                            0,
                            stream(stream),
                            table,
                            nothing));
        }
    }

    private static CUstream_st stream(long stream) {
        return new CUstream_st(new Address(stream));
    }

    /** Memory that both the host and every device may touch; it moves to where it is touched. */
    long allocateManaged(long bytes) {
        long[] address = new long[1];
        check("cuMemAllocManaged", cudart.cuMemAllocManaged(address, bytes, cudart.CU_MEM_ATTACH_GLOBAL));
        return address[0];
    }

    void free(long address) {
        check("cuMemFree", cudart.cuMemFree(address));
    }

    /**
     * Moves managed memory ahead of its use.
     *
     * @param device or {@link #HOST}
     */
    void prefetch(long address, long bytes, int device, long stream) {
        int place = device == HOST ? HOST : handle(device);
        check("cuMemPrefetchAsync", cudart.cuMemPrefetchAsync(address, bytes, place, stream(stream)));
    }

    /** Free bytes of the current context's device. */
    long freeMemory() {
        try (SizeTPointer free = new SizeTPointer(1);
                SizeTPointer total = new SizeTPointer(1)) {
            check("cuMemGetInfo", cudart.cuMemGetInfo(free, total));
            return free.get();
        }
    }

    /** Waits for all work of a stream. */
    void synchronize(long stream) {
        check("cuStreamSynchronize", cudart.cuStreamSynchronize(stream(stream)));
    }

    /** Throws unless a result is 0. */
    private void check(String call, int result) {
        if (result != 0) {
            throw new CudaException(call + " failed: " + describe(result));
        }
    }

    /** A result's name, such as CUDA_ERROR_OUT_OF_MEMORY, and number. */
    private String describe(int result) {
        try (PointerPointer<BytePointer> name = new PointerPointer<>(1)) {
            int known = cudart.cuGetErrorName(result, name);
            return known == 0 ? name.get(BytePointer.class).getString() + " (" + result + ")" : "error " + result;
        }
    }

    /** A number of the driver as a pointer. */
    private static final class Address extends Pointer {
        Address(long address) {
            this.address = address;
        }
    }
}
