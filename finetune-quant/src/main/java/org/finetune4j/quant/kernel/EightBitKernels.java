package org.finetune4j.quant.kernel;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import org.finetune4j.UserErrorException;
import org.finetune4j.quant.blockwise.CodeBook;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** Turns 8-bit codes back into float32, and rows of numbers into 8-bit integers. */
public final class EightBitKernels {

    private static final float LARGEST = 127f;

    private EightBitKernels() {}

    /**
     * Dequantises blocks: {@code book[code] * absmax[block]}.
     *
     * @param codes uint8
     * @param absmax float32, one a block
     * @param book numbers of the 256 codes
     * @param blockSize values that share a scale
     * @param destination float32, contiguous, one value a code
     */
    public static void dequantize(Tensor codes, Tensor absmax, CodeBook book, int blockSize, Tensor destination) {
        long count = codes.numel();
        long blocks = (count + blockSize - 1) / blockSize;
        float[] table = book.values();
        float[] scales = absmax.toFloatArray();
        Parallel.run(blocks, 64, (begin, end) -> {
            byte[] bytes = new byte[blockSize];
            float[] values = new float[blockSize];
            for (long first = begin; first < end; ) {
                // One view reaches 2 GiB at most, and making one costs as much as a block.
                long last = Math.min(end, first + (1 << 28) / blockSize);
                long from = first * blockSize;
                long length = Math.min(last * blockSize, count) - from;
                ByteBuffer source = codes.memory(from, length);
                FloatBuffer target = destination
                        .memory(from * Float.BYTES, length * Float.BYTES)
                        .asFloatBuffer();
                for (long block = first; block < last; block++) {
                    int size = Math.min(blockSize, source.remaining());
                    source.get(bytes, 0, size);
                    scale(bytes, size, table, scales[(int) block], values);
                    target.put(values, 0, size);
                }
                first = last;
            }
        });
    }

    private static void scale(byte[] codes, int size, float[] table, float scale, float[] values) {
        for (int i = 0; i < size; i++) {
            values[i] = table[codes[i] & 0xff] * scale;
        }
    }

    /**
     * Rounds every row to whole multiples of a 127th of its largest magnitude (LLM.int8, Dettmers et al. 2022).
     *
     * @param matrix [rows, columns], any floating-point type, on the CPU
     * @param codes int8 [rows, columns], filled
     * @param absmax float32 [rows], filled
     * @throws UserErrorException when a value is NaN or infinite
     */
    public static void quantizeRows(Tensor matrix, Tensor codes, Tensor absmax) {
        int columns = Math.toIntExact(matrix.size(1));
        FloatBuffer scales = absmax.memory(0, matrix.size(0) * Float.BYTES).asFloatBuffer();
        Parallel.run(matrix.size(0), Math.max(1, 16384 / columns), (begin, end) -> {
            byte[] bytes = new byte[columns];
            for (long row = begin; row < end; row++) {
                float[] values;
                try (TensorScope scope = TensorScope.open()) {
                    values = matrix.select(0, row).to(DType.FLOAT32).toFloatArray();
                }
                scales.put((int) row, quantizeRow(values, bytes));
                ByteBuffer target = codes.memory(row * columns, columns);
                target.put(bytes, 0, columns);
            }
        });
    }

    private static float quantizeRow(float[] values, byte[] codes) {
        float largest = Magnitudes.largest(values, values.length);
        if (!(largest <= Float.MAX_VALUE)) {
            throw new UserErrorException("a weight holds NaN or infinity: it cannot be quantised");
        }
        for (int i = 0; i < values.length; i++) {
            // A double holds the quotient for the smallest of floats, too.
            codes[i] = largest == 0 ? 0 : (byte) Math.rint(LARGEST * (double) values[i] / largest);
        }
        return largest;
    }

    /**
     * {@code destination = codes * absmax / 127}, row by row.
     *
     * @param codes int8 [rows, columns]
     * @param absmax float32 [rows]
     * @param destination float32 [rows, columns], contiguous; all its values are set
     */
    public static void dequantizeRows(Tensor codes, Tensor absmax, Tensor destination) {
        try (TensorScope scope = TensorScope.open()) {
            destination.copyInPlace(codes).mulInPlace(absmax.div(LARGEST).unsqueeze(1));
        }
    }
}
