package org.finetune4j.model.safetensors;

import org.finetune4j.tensor.DType;

/**
 * Where a tensor lies in a safetensors file.
 *
 * @param begin first byte, counted from the end of the header
 * @param end the byte after its last one
 */
public record TensorInfo(String name, DType dtype, long[] shape, long begin, long end) {

    /** {@return number of elements} */
    public long numel() {
        return numel(shape);
    }

    static long numel(long[] shape) {
        long product = 1;
        for (long length : shape) {
            product = Math.multiplyExact(product, length);
        }
        return product;
    }
}
