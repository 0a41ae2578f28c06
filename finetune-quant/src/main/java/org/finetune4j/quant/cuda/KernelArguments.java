package org.finetune4j.quant.cuda;

import java.util.Arrays;
import org.finetune4j.tensor.DeviceMemory;
import org.finetune4j.tensor.Tensor;

/** The arguments of a kernel in the order of its parameters. */
final class KernelArguments {

    private long[] bits = new long[16];
    private int size;

    /** A pointer to a tensor's first value. */
    KernelArguments tensor(Tensor tensor) {
        return number(DeviceMemory.address(tensor));
    }

    /** A {@code long long}. */
    KernelArguments number(long value) {
        if (size == bits.length) {
            bits = Arrays.copyOf(bits, 2 * size);
        }
        bits[size++] = value;
        return this;
    }

    /** An {@code int}. */
    KernelArguments number(int value) {
        return number(Integer.toUnsignedLong(value));
    }

    /** A {@code float}. */
    KernelArguments number(float value) {
        return number(Float.floatToRawIntBits(value));
    }

    long[] bits() {
        return Arrays.copyOf(bits, size);
    }
}
