package org.finetune4j.quant.kernel;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import org.finetune4j.quant.blockwise.CodeBook;
import org.finetune4j.tensor.Tensor;

/**
 * Turns packed 4-bit codes back into float32. A thread works through blocks that fit its first-level cache: bytes come in
 * and floats go out by bulk copies, and in between are plain arrays, which the compiler handles best.
 */
public final class FourBitKernels {

    /** Values that a thread handles at a time. */
    private static final int CHUNK = 4096;

    private FourBitKernels() {}

    /**
     * Dequantises a range of values.
     *
     * @param packed uint8, two codes a byte
     * @param absmax one number a block
     * @param blockSize even
     * @param first first value, the start of a block
     * @param count of values
     * @param destination float32, contiguous; its first {@code count} values are set
     */
    public static void dequantize(
            Tensor packed,
            FloatBuffer absmax,
            CodeBook book,
            int blockSize,
            long first,
            long count,
            Tensor destination) {
        int chunk = Math.max(1, CHUNK / blockSize) * blockSize;
        float[] codes = book.values();
        long chunks = (count + chunk - 1) / chunk;
        Parallel.run(chunks, 8, (begin, end) -> {
            byte[] bytes = new byte[chunk / 2];
            float[] values = new float[chunk];
            float[] scaled = new float[16];
            for (long c = begin; c < end; ) {
                // One view reaches 2 GiB at most.
                long last = Math.min(end, c + (1 << 28) / chunk);
                long from = c * chunk;
                long length = Math.min(last * chunk, count) - from;
                ByteBuffer source = packed.memory((first + from) / 2, (length + 1) / 2);
                FloatBuffer target = destination
                        .memory(from * Float.BYTES, length * Float.BYTES)
                        .asFloatBuffer();
                for (long at = 0; at < length; at += chunk) {
                    int size = (int) Math.min(chunk, length - at);
                    source.get(bytes, 0, (size + 1) / 2);
                    int block = (int) ((first + from + at) / blockSize);
                    for (int start = 0; start < size; start += blockSize) {
                        scale(codes, absmax.get(block++), scaled);
                        int even = Math.min(size - start, blockSize) & ~1;
                        unpack(bytes, start / 2, even / 2, scaled, values, start);
                    }
                    if (size % 2 != 0) {
                        values[size - 1] = scaled[(bytes[size / 2] >> 4) & 15];
                    }
                    target.put(values, 0, size);
                }
                c = last;
            }
        });
    }

    private static void scale(float[] codes, float absmax, float[] scaled) {
        for (int i = 0; i < 16; i++) {
            scaled[i] = codes[i] * absmax;
        }
    }

    private static void unpack(byte[] bytes, int from, int count, float[] table, float[] values, int to) {
        for (int i = 0; i < count; i++) {
            int pair = bytes[from + i];
            values[to + 2 * i] = table[(pair >> 4) & 15];
            values[to + 2 * i + 1] = table[pair & 15];
        }
    }
}
