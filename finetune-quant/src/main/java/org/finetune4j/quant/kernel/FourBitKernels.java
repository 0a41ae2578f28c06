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
        float[] high = new float[256];
        float[] low = new float[256];
        for (int pair = 0; pair < 256; pair++) {
            high[pair] = book.value(pair >> 4);
            low[pair] = book.value(pair & 15);
        }
        long chunks = (count + chunk - 1) / chunk;
        Parallel.run(chunks, 8, (begin, end) -> {
            byte[] bytes = new byte[chunk / 2];
            float[] values = new float[chunk];
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
                        int stop = (Math.min(size, start + blockSize) + 1) / 2;
                        unpack(bytes, start / 2, stop, high, low, absmax.get(block++), values);
                    }
                    target.put(values, 0, size);
                }
                c = last;
            }
        });
    }

    /** A table for each half of a byte, by the whole byte: one look-up a value, and no shifts. */
    private static void unpack(byte[] bytes, int from, int to, float[] high, float[] low, float scale, float[] values) {
        for (int i = from; i < to; i++) {
            int pair = bytes[i] & 0xff;
            values[2 * i] = high[pair] * scale;
            values[2 * i + 1] = low[pair] * scale;
        }
    }
}
