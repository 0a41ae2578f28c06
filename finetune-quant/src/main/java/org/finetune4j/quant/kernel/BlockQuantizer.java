package org.finetune4j.quant.kernel;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import org.finetune4j.UserErrorException;
import org.finetune4j.quant.blockwise.CodeBook;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/**
 * Rounds blocks of numbers to codes: every block is divided by its largest magnitude, and what is left is replaced by the
 * code of the nearest number of a code book. The source is converted in pieces, so a large one is never copied whole.
 */
public final class BlockQuantizer {

    /** Values that are converted to float32 at a time. */
    private static final long PIECE = 1L << 22;

    private final CodeBook book;
    private final int blockSize;
    private final boolean packed;

    /**
     * Makes a quantizer.
     *
     * @param book numbers of the codes: 16 where two share a byte, else 256
     * @param blockSize values that share a scale
     * @param packed whether two codes share a byte, the first one in the upper half
     */
    public BlockQuantizer(CodeBook book, int blockSize, boolean packed) {
        this.book = book;
        this.blockSize = blockSize;
        this.packed = packed;
    }

    /**
     * Quantises.
     *
     * @param values contiguous, any floating-point type, on the CPU
     * @param codes uint8, filled: one byte a value, or one for two
     * @param absmax float32, filled: one number a block
     * @throws UserErrorException when a value is NaN or infinite
     */
    public void quantize(Tensor values, Tensor codes, Tensor absmax) {
        long count = values.numel();
        long piece = Math.max(1, PIECE / blockSize) * blockSize;
        try (TensorScope outer = TensorScope.open()) {
            Tensor flat = values.detach().reshape(-1);
            for (long start = 0; start < count; start += piece) {
                try (TensorScope scope = TensorScope.open()) {
                    long length = Math.min(piece, count - start);
                    Tensor part =
                            flat.narrow(0, start, length).to(DType.FLOAT32).contiguous();
                    quantizePiece(part, start, length, codes, absmax);
                }
            }
        }
    }

    private void quantizePiece(Tensor part, long start, long length, Tensor codes, Tensor absmax) {
        FloatBuffer source = part.memory(0, length * Float.BYTES).asFloatBuffer();
        long firstBlock = start / blockSize;
        long blocks = (length + blockSize - 1) / blockSize;
        long firstByte = packed ? start / 2 : start;
        ByteBuffer target = codes.memory(firstByte, packed ? (length + 1) / 2 : length);
        FloatBuffer scales =
                absmax.memory(firstBlock * Float.BYTES, blocks * Float.BYTES).asFloatBuffer();
        Parallel.run(blocks, Math.max(1, 16384 / blockSize), (begin, end) -> {
            float[] block = new float[blockSize];
            byte[] bytes = new byte[blockSize + 1];
            for (long b = begin; b < end; b++) {
                int at = (int) (b * blockSize);
                int size = (int) Math.min(blockSize, length - at);
                source.get(at, block, 0, size);
                scales.put((int) b, quantizeBlock(block, size, bytes));
                if (packed) {
                    target.put(at / 2, bytes, 0, pack(bytes, size));
                } else {
                    target.put(at, bytes, 0, size);
                }
            }
        });
    }

    /** Fills {@code codes} and gives the block's largest magnitude. */
    private float quantizeBlock(float[] block, int size, byte[] codes) {
        float largest = Magnitudes.largest(block, size);
        if (!(largest <= Float.MAX_VALUE)) {
            throw new UserErrorException("a weight holds NaN or infinity: it cannot be quantised");
        }
        book.nearest(block, largest, codes, size);
        return largest;
    }

    /** Packs in place and gives the number of bytes. Beside the last value of an odd number of them stands a zero. */
    private int pack(byte[] codes, int size) {
        if (size % 2 != 0) {
            codes[size] = (byte) book.nearest(0f);
        }
        int bytes = (size + 1) / 2;
        for (int i = 0; i < bytes; i++) {
            codes[i] = (byte) (codes[2 * i] << 4 | codes[2 * i + 1]);
        }
        return bytes;
    }
}
