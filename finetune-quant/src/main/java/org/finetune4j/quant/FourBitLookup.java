package org.finetune4j.quant;

import org.finetune4j.quant.blockwise.CodeBook;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/** 4-bit codes back to numbers by libtorch's own operations: slower than a kernel, on any device. */
final class FourBitLookup {

    private FourBitLookup() {}

    /**
     * Dequantises by a table of the 256 pairs of numbers that a byte can hold.
     *
     * @param packed uint8, two codes a byte
     * @param absmax float32 [blocks], on the same device
     * @return float32 [count]
     */
    static Tensor dequantize(Tensor packed, Tensor absmax, CodeBook book, int blockSize, long count) {
        float[] pairs = new float[512];
        for (int pair = 0; pair < 256; pair++) {
            pairs[2 * pair] = book.value(pair >> 4);
            pairs[2 * pair + 1] = book.value(pair & 15);
        }
        Tensor table = Tensors.of(pairs, 256, 2).to(packed.device());
        Tensor values =
                table.indexSelect(0, packed.view(-1).to(DType.INT64)).view(-1).narrow(0, 0, count);
        return values.mul(absmax.repeatInterleave(blockSize, 0).narrow(0, 0, count));
    }
}
