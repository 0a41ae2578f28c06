package org.finetune4j.tensor;

import java.util.regex.Pattern;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.finetune4j.UserErrorException;

/**
 * Where a tensor lives. Everything that depends on the kind of device goes through this class, so that a GPU needs no
 * other change.
 *
 * @param type CPU or CUDA
 * @param index number of the card, 0 for the CPU
 */
public record Device(Type type, int index) {

    /** The processor. */
    public static final Device CPU = new Device(Type.CPU, 0);

    /** More digits than any machine has cards would not fit a number. */
    private static final Pattern NAME = Pattern.compile("auto|cpu|cuda(:\\d{1,4})?");

    /** Kinds of devices. */
    public enum Type {
        /** The processor and its memory. */
        CPU,
        /** An NVIDIA card. */
        CUDA
    }

    /**
     * Names a device, which need not exist.
     *
     * @param type CPU or CUDA
     * @param index number of the card, 0 for the CPU
     * @throws IllegalArgumentException for a negative number, or another processor than the first
     */
    public Device {
        if (index < 0 || (type == Type.CPU && index != 0)) {
            throw new IllegalArgumentException("no device " + type + ":" + index);
        }
    }

    /** {@return the first GPU where libtorch sees one, else the CPU} */
    public static Device best() {
        return count() > 0 ? new Device(Type.CUDA, 0) : CPU;
    }

    /** {@return how many GPUs libtorch sees here} */
    public static int count() {
        Torch.ensureLoaded();
        return torch.cuda_is_available() ? Math.toIntExact(torch.cuda_device_count()) : 0;
    }

    /**
     * The device that {@code cpu}, {@code cuda}, {@code cuda:1} or {@code auto} names.
     *
     * @param name one of those
     * @return the device
     * @throws UserErrorException for anything else, or a GPU this machine or this libtorch does not have
     */
    public static Device parse(String name) {
        checkName(name);
        if (name.equals("auto")) {
            return best();
        }
        if (name.equals("cpu")) {
            return CPU;
        }
        int index = name.equals("cuda") ? 0 : Integer.parseInt(name.substring("cuda:".length()));
        int count = count();
        if (index >= count) {
            throw new UserErrorException("no device '" + name + "': libtorch sees " + count + " GPU(s) here");
        }
        return new Device(Type.CUDA, index);
    }

    /** Whether {@link #parse} gives a device for the name here. */
    static boolean isAvailable(String name) {
        try {
            parse(name);
            return true;
        } catch (UserErrorException e) {
            return false;
        }
    }

    /**
     * Checks a device's name before there is a libtorch to ask which devices there are.
     *
     * @param name what {@link #parse} will be given
     * @throws UserErrorException when it is none of the names that {@link #parse} takes
     */
    public static void checkName(String name) {
        if (!NAME.matcher(name).matches()) {
            throw new UserErrorException("unknown device '" + name + "': expected auto, cpu, cuda or cuda:N");
        }
    }

    /**
     * The dtype to calculate in for weights stored as {@code storage}: a GPU calculates in the storage type; a CPU in
     * float32, because its half-precision matrix products are far slower than converting the weight first.
     *
     * @param storage what the weights are stored as
     * @return what to calculate in
     */
    public DType computeDType(DType storage) {
        if (type == Type.CUDA || storage == DType.FLOAT64) {
            return storage;
        }
        return DType.FLOAT32;
    }

    org.bytedeco.pytorch.Device nativeDevice() {
        return new org.bytedeco.pytorch.Device(type == Type.CPU ? "cpu" : "cuda:" + index);
    }

    TensorOptions options(DType dtype) {
        if (type == Type.CPU) {
            return new TensorOptions(dtype.scalarType());
        }
        try (org.bytedeco.pytorch.Device device = nativeDevice();
                TensorOptions placed = new TensorOptions(device);
                org.bytedeco.pytorch.ScalarTypeOptional type =
                        new org.bytedeco.pytorch.ScalarTypeOptional(dtype.scalarType())) {
            return placed.dtype(type);
        }
    }

    @Override
    public String toString() {
        return type == Type.CPU ? "cpu" : "cuda:" + index;
    }
}
