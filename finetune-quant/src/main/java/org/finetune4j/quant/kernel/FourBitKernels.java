package org.finetune4j.quant.kernel;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import org.finetune4j.quant.blockwise.CodeBook;
import org.finetune4j.tensor.Tensor;

/**
 * Turns packed 4-bit codes back into float32. A thread works through pieces that fit its first-level cache: bytes come in by
 * bulk copies, and floats go straight to where they belong, which is faster than an array and a bulk copy of it.
 */
public final class FourBitKernels {

    /** Values that a thread handles at a time. */
    private static final int CHUNK = 4096;

    /** Fewest pieces worth another thread. */
    private static final int GRAIN = 16;

    private FourBitKernels() {}

    /** The two numbers of every byte. */
    private record Pairs(float[] high, float[] low) {

        static Pairs of(CodeBook book) {
            Pairs pairs = new Pairs(new float[256], new float[256]);
            for (int pair = 0; pair < 256; pair++) {
                pairs.high[pair] = book.value(pair >> 4);
                pairs.low[pair] = book.value(pair & 15);
            }
            return pairs;
        }
    }

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
        Pairs pairs = Pairs.of(book);
        long chunks = (count + chunk - 1) / chunk;
        Parallel.run(chunks, GRAIN, (begin, end) -> {
            byte[] bytes = new byte[chunk / 2];
            float[] scales = new float[chunk / blockSize];
            for (long c = begin; c < end; ) {
                // One view reaches 2 GiB at most.
                long last = Math.min(end, c + (1 << 28) / chunk);
                long from = c * chunk;
                long length = Math.min(last * chunk, count) - from;
                ByteBuffer source = packed.memory((first + from) / 2, (length + 1) / 2);
                FloatBuffer target = destination
                        .memory(from * Float.BYTES, length * Float.BYTES)
                        .asFloatBuffer();
                for (int at = 0; at < length; at += chunk) {
                    int size = (int) Math.min(chunk, length - at);
                    source.get(bytes, 0, (size + 1) / 2);
                    absmax.get((int) ((first + from + at) / blockSize), scales, 0, (size + blockSize - 1) / blockSize);
                    unpack(bytes, size, pairs, scales, blockSize, target, at);
                }
                c = last;
            }
        });
    }

    private static void unpack(
            byte[] bytes, int size, Pairs pairs, float[] scales, int blockSize, FloatBuffer target, int at) {
        // Arrays that are made here have a length that the compiler knows: no byte is outside of it, and nothing is
        // checked.
        float[] high = new float[256];
        float[] low = new float[256];
        System.arraycopy(pairs.high, 0, high, 0, 256);
        System.arraycopy(pairs.low, 0, low, 0, 256);
        int whole = size / 2;
        for (int start = 0, block = 0; start < whole; start += blockSize / 2, block++) {
            float scale = scales[block];
            int stop = Math.min(whole, start + blockSize / 2);
            for (int i = start; i < stop; i++) {
                int pair = bytes[i] & 0xff;
                target.put(at + 2 * i, high[pair] * scale);
                target.put(at + 2 * i + 1, low[pair] * scale);
            }
        }
        if (size % 2 != 0) {
            target.put(at + size - 1, high[bytes[whole] & 0xff] * scales[(size - 1) / blockSize]);
        }
    }
}
