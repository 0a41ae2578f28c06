package org.finetune4j.tensor;

import ai.djl.pytorch.jni.LibUtils;
import java.nio.file.Path;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.DeviceGuardImplInterface;
import org.bytedeco.pytorch.Stream;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;

/**
 * Memory as kernels that are not libtorch's see it: addresses, and the order of work on a device. Autograd does not see what
 * is written through an address, and nothing checks that the memory is still there.
 */
public final class DeviceMemory {

    private DeviceMemory() {}

    /**
     * The address of a tensor's first value, on whatever device it is. It is valid as long as a tensor holds the memory.
     *
     * @param tensor contiguous
     * @return the address; 0 where there is no value
     * @throws TensorException when the tensor is not contiguous
     */
    public static long address(Tensor tensor) {
        if (!tensor.isContiguous()) {
            throw new TensorException("no address of " + tensor.describe() + ": it is not contiguous");
        }
        Pointer data = tensor.handle().data_ptr();
        return data == null ? 0 : data.address();
    }

    /**
     * A tensor over memory that somebody else owns and frees, after this tensor and its views are closed.
     *
     * @param address of the first value
     * @param dtype of the values
     * @param device that may read and write it
     * @param shape the length of every dimension
     * @return the tensor
     */
    public static Tensor tensorAt(long address, DType dtype, Device device, long... shape) {
        Torch.ensureLoaded();
        try (TensorOptions options = device.options(dtype)) {
            return Tensor.wrap(torch.from_blob(new Address(address), shape, options));
        } catch (RuntimeException e) {
            throw TensorException.of("tensorAt", e);
        }
    }

    /**
     * The number by which libtorch knows the stream that this thread uses on a device; 0 is the default stream.
     *
     * @param device which one
     * @return the number; 0 on a CPU
     */
    public static long currentStream(Device device) {
        Torch.ensureLoaded();
        if (device.type() == Device.Type.CPU) {
            return 0;
        }
        try (org.bytedeco.pytorch.Device place = device.nativeDevice();
                Stream stream = guard().getStream(place)) {
            return stream.id();
        }
    }

    /**
     * Waits for the work of this thread's stream on a device.
     *
     * @param device which one; nothing happens on a CPU
     */
    public static void synchronize(Device device) {
        if (device.type() == Device.Type.CPU) {
            return;
        }
        try (org.bytedeco.pytorch.Device place = device.nativeDevice();
                Stream stream = guard().getStream(place)) {
            stream.synchronize();
        }
    }

    private static DeviceGuardImplInterface guard() {
        return torch.getDeviceGuardImpl(torch.DeviceType.CUDA);
    }

    /** {@return the directory of this process's libtorch and of what came with it} */
    public static Path libtorchDirectory() {
        Torch.ensureLoaded();
        return Path.of(LibUtils.getLibtorchPath());
    }

    /** A pointer to memory that is not JavaCPP's. */
    private static final class Address extends Pointer {
        Address(long address) {
            this.address = address;
        }
    }
}
