package org.finetune4j.quant.cuda;

import java.nio.file.Path;
import java.util.Optional;
import org.bytedeco.cuda.cudart.CUctx_st;
import org.bytedeco.cuda.cudart.CUfunc_st;
import org.bytedeco.cuda.cudart.CUmod_st;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.SizeTPointer;
import org.finetune4j.tensor.Torch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The driver through {@code org.bytedeco:cuda}, whose natives are linked to the driver and to the CUDA 12 runtime. */
final class JavaCppDriver implements CudaDriver {

    private static final Logger LOG = LoggerFactory.getLogger(JavaCppDriver.class);
    private static final int MAJOR = 12;

    JavaCppDriver() {
        check("cuInit", cudart.cuInit(0));
    }

    /** Loads what the binding is linked to, and the binding. */
    static boolean isUsable(CudaLibraries libraries) {
        Torch.ensureLoaded(); // sets JavaCPP up: loading any binding before that brings in a second libtorch
        Optional<Path> runtime = libraries.find("cudart", MAJOR);
        if (runtime.isEmpty()) {
            return false;
        }
        try {
            // What is loaded already satisfies the binding, wherever it lies.
            Optional<Path> driver = libraries.find("cuda", 1);
            driver.ifPresent(file -> System.load(file.toString()));
            System.load(runtime.get().toString());
            Loader.load(cudart.class);
            return true;
        } catch (LinkageError e) {
            LOG.debug("the binding of the CUDA driver does not load", e);
            return false;
        }
    }

    @Override
    public int version() {
        int[] version = new int[1];
        check("cuDriverGetVersion", cudart.cuDriverGetVersion(version));
        return version[0];
    }

    @Override
    public int deviceCount() {
        int[] count = new int[1];
        check("cuDeviceGetCount", cudart.cuDeviceGetCount(count));
        return count[0];
    }

    @Override
    public int attribute(int device, int attribute) {
        int[] value = new int[1];
        check("cuDeviceGetAttribute", cudart.cuDeviceGetAttribute(value, attribute, handle(device)));
        return value[0];
    }

    private int handle(int device) {
        int[] handle = new int[1];
        check("cuDeviceGet", cudart.cuDeviceGet(handle, device));
        return handle[0];
    }

    @Override
    public long primaryContext(int device) {
        CUctx_st context = new CUctx_st();
        check("cuDevicePrimaryCtxRetain", cudart.cuDevicePrimaryCtxRetain(context, handle(device)));
        return context.address();
    }

    @Override
    public void pushContext(long context) {
        check("cuCtxPushCurrent", cudart.cuCtxPushCurrent(new CUctx_st(new Address(context))));
    }

    @Override
    public void popContext() {
        check("cuCtxPopCurrent", cudart.cuCtxPopCurrent(new CUctx_st()));
    }

    @Override
    public long loadModule(byte[] image) {
        try (BytePointer copy = new BytePointer(image)) {
            CUmod_st module = new CUmod_st();
            check("cuModuleLoadData", cudart.cuModuleLoadData(module, copy));
            return module.address();
        }
    }

    @Override
    public long function(long module, String name) {
        CUfunc_st function = new CUfunc_st();
        check("cuModuleGetFunction", cudart.cuModuleGetFunction(function, new CUmod_st(new Address(module)), name));
        return function.address();
    }

    @Override
    public void launch(long function, int blocks, int threads, long stream, long[] arguments) {
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

    @Override
    public long allocateManaged(long bytes) {
        long[] address = new long[1];
        check("cuMemAllocManaged", cudart.cuMemAllocManaged(address, bytes, cudart.CU_MEM_ATTACH_GLOBAL));
        return address[0];
    }

    @Override
    public void free(long address) {
        check("cuMemFree", cudart.cuMemFree(address));
    }

    @Override
    public void prefetch(long address, long bytes, int device, long stream) {
        int place = device == HOST ? HOST : handle(device);
        check("cuMemPrefetchAsync", cudart.cuMemPrefetchAsync(address, bytes, place, stream(stream)));
    }

    @Override
    public long freeMemory() {
        try (SizeTPointer free = new SizeTPointer(1);
                SizeTPointer total = new SizeTPointer(1)) {
            check("cuMemGetInfo", cudart.cuMemGetInfo(free, total));
            return free.get();
        }
    }

    @Override
    public void synchronize(long stream) {
        check("cuStreamSynchronize", cudart.cuStreamSynchronize(stream(stream)));
    }

    @Override
    public String describe(int result) {
        try (PointerPointer<BytePointer> name = new PointerPointer<>(1)) {
            int known = cudart.cuGetErrorName(result, name);
            return known == 0 ? name.get(BytePointer.class).getString() + " (" + result + ")" : "error " + result;
        }
    }

    @Override
    public String toString() {
        return "CUDA driver by org.bytedeco:cuda";
    }

    /** A number of the driver as a pointer. */
    private static final class Address extends Pointer {
        Address(long address) {
            this.address = address;
        }
    }
}
