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
            for (long block = begin; block < end; block++) {
                long at = block * blockSize;
                int size = (int) Math.min(blockSize, count - at);
                codes.memory(at, size).get(bytes, 0, size);
                float scale = scales[(int) block];
                for (int i = 0; i < size; i++) {
                    values[i] = table[bytes[i] & 0xff] * scale;
                }
                destination
                        .memory(at * Float.BYTES, (long) size * Float.BYTES)
                        .asFloatBuffer()
                        .put(values, 0, size);
            }
        });
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
        float largest = 0;
        for (float value : values) {
            largest = Math.max(largest, Math.abs(value));
        }
        if (!(largest <= Float.MAX_VALUE)) {
            throw new UserErrorException("a weight holds NaN or infinity: it cannot be quantised");
        }
        for (int i = 0; i < values.length; i++) {
            // A double holds the quotient for the smallest of floats, too.
            codes[i] = largest == 0 ? 0 : (byte) Math.rint(LARGEST * (double) values[i] / largest);
        }
        return largest;
    }

    /** {@code destination = codes * absmax / 127}, row by row. */
    public static void dequantizeRows(Tensor codes, Tensor absmax, Tensor destination) {
        try (TensorScope scope = TensorScope.open()) {
            destination.copyInPlace(codes).mulInPlace(absmax.div(LARGEST).unsqueeze(1));
        }
    }
}
