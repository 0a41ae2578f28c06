package org.finetune4j.quant.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.finetune4j.quant.blockwise.CodeBook;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/** A code book as the kernels read it: {@code struct Book} of common.cuh. */
final class CudaBook {

    private static final int ENTRIES = 256;
    private static final int BYTES = ENTRIES * (2 * Float.BYTES + 1) + Integer.BYTES;

    private CudaBook() {}

    /** The book in a device's memory. */
    static Tensor on(Device device, CodeBook book) {
        return Tensors.of(bytes(book), BYTES).to(device);
    }

    private static byte[] bytes(CodeBook book) {
        ByteBuffer bytes = ByteBuffer.allocate(BYTES).order(ByteOrder.nativeOrder());
        for (float value : Arrays.copyOf(book.values(), ENTRIES)) {
            bytes.putFloat(value);
        }
        float[] middles = Arrays.copyOf(book.middles(), ENTRIES);
        Arrays.fill(middles, book.size() - 1, ENTRIES, Float.POSITIVE_INFINITY);
        for (float middle : middles) {
            bytes.putFloat(middle);
        }
        bytes.put(Arrays.copyOf(book.codesInOrder(), ENTRIES));
        bytes.putInt(book.size());
        return bytes.array();
    }
}
