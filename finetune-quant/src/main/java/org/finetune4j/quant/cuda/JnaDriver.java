package org.finetune4j.quant.cuda;

import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import java.nio.file.Path;
import java.util.Optional;

/** The driver by its own functions: no other part of CUDA needs to be installed. */
final class JnaDriver implements CudaDriver {

    private final NativeLibrary library;

    private JnaDriver(NativeLibrary library) {
        this.library = library;
        call("cuInit", 0);
    }

    /** @throws CudaException when the driver is not installed or finds nothing to drive */
    static JnaDriver open(CudaLibraries libraries) {
        boolean windows = System.getProperty("os.name").startsWith("Windows");
        Optional<Path> file = windows ? Optional.empty() : libraries.find("cuda", 1);
        try {
            return new JnaDriver(
                    NativeLibrary.getInstance(file.map(Path::toString).orElse(windows ? "nvcuda" : "libcuda.so.1")));
        } catch (UnsatisfiedLinkError e) {
            throw new CudaException(
                    "the CUDA driver (" + (windows ? "nvcuda.dll" : "libcuda.so.1") + ") is not installed");
        }
    }

    private void call(String name, Object... arguments) {
        int result;
        try {
            result = library.getFunction(name).invokeInt(arguments);
        } catch (UnsatisfiedLinkError e) {
            throw new CudaException("the CUDA driver has no function " + name + ": it is too old");
        }
        check(name, result);
    }

    @Override
    public int version() {
        IntByReference version = new IntByReference();
        call("cuDriverGetVersion", version);
        return version.getValue();
    }

    @Override
    public int deviceCount() {
        IntByReference count = new IntByReference();
        call("cuDeviceGetCount", count);
        return count.getValue();
    }

    @Override
    public int attribute(int device, int attribute) {
        IntByReference value = new IntByReference();
        call("cuDeviceGetAttribute", value, attribute, handle(device));
        return value.getValue();
    }

    private int handle(int device) {
        IntByReference handle = new IntByReference();
        call("cuDeviceGet", handle, device);
        return handle.getValue();
    }

    @Override
    public long primaryContext(int device) {
        PointerByReference context = new PointerByReference();
        call("cuDevicePrimaryCtxRetain", context, handle(device));
        return Pointer.nativeValue(context.getValue());
    }

    @Override
    public void pushContext(long context) {
        call("cuCtxPushCurrent_v2", new Pointer(context));
    }

    @Override
    public void popContext() {
        call("cuCtxPopCurrent_v2", new PointerByReference());
    }

    @Override
    public long loadModule(byte[] image) {
        try (Memory copy = new Memory(image.length)) {
            copy.write(0, image, 0, image.length);
            PointerByReference module = new PointerByReference();
            call("cuModuleLoadData", module, copy);
            return Pointer.nativeValue(module.getValue());
        }
    }

    @Override
    public long function(long module, String name) {
        PointerByReference function = new PointerByReference();
        call("cuModuleGetFunction", function, new Pointer(module), name);
        return Pointer.nativeValue(function.getValue());
    }

    @Override
    public void launch(long function, int blocks, int threads, long stream, long[] arguments) {
        try (Memory values = new Memory(8L * arguments.length);
                Memory table = new Memory((long) Native.POINTER_SIZE * arguments.length)) {
            values.write(0, arguments, 0, arguments.length);
            for (int i = 0; i < arguments.length; i++) {
                table.setPointer((long) Native.POINTER_SIZE * i, values.share(8L * i));
            }
            // The driver has copied the arguments when it returns.
            call(
                    "cuLaunchKernel",
                    new Pointer(function),
                    blocks,
                    1,
                    1,
                    threads,
                    1,
                    1,
                    0,
                    new Pointer(stream),
                    table,
                    Pointer.NULL);
        }
    }

    @Override
    public long allocateManaged(long bytes) {
        LongByReference address = new LongByReference();
        call("cuMemAllocManaged", address, bytes, 1); // 1: any stream of any device may touch it
        return address.getValue();
    }

    @Override
    public void free(long address) {
        call("cuMemFree_v2", address);
    }

    @Override
    public void prefetch(long address, long bytes, int device, long stream) {
        call("cuMemPrefetchAsync", address, bytes, device == HOST ? HOST : handle(device), new Pointer(stream));
    }

    @Override
    public long freeMemory() {
        LongByReference free = new LongByReference();
        call("cuMemGetInfo_v2", free, new LongByReference());
        return free.getValue();
    }

    @Override
    public void synchronize(long stream) {
        call("cuStreamSynchronize", new Pointer(stream));
    }

    @Override
    public String describe(int result) {
        PointerByReference name = new PointerByReference();
        int known = library.getFunction("cuGetErrorName").invokeInt(new Object[] {result, name});
        return known == 0 ? name.getValue().getString(0) + " (" + result + ")" : "error " + result;
    }

    @Override
    public String toString() {
        return "CUDA driver by JNA";
    }
}
