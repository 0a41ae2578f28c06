package org.finetune4j.quant.kernel;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import org.finetune4j.quant.blockwise.CodeBook;
import org.finetune4j.tensor.Tensor;

/**
 * Turns packed 4-bit codes back into float32. A thread works through blocks that fit its first-level cache: bytes come in
 * and floats go out by bulk copies, and in between are plain arrays, which the compiler handles best.
 */
public final class FourBitKernels {

    /** Values that a thread handles at a time. */
    private static final int CHUNK = 4096;

    private static final boolean LITTLE_ENDIAN = ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN;

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
            long[] pairs = new long[chunk / 2];
            long[] first16 = new long[16];
            long[] second16 = new long[16];
            for (long c = begin; c < end; ) {
                // One view reaches 2 GiB at most.
                long last = Math.min(end, c + (1 << 28) / chunk);
                long from = c * chunk;
                long length = Math.min(last * chunk, count) - from;
                ByteBuffer source = packed.memory((first + from) / 2, (length + 1) / 2);
                ByteBuffer target = destination.memory(from * Float.BYTES, length * Float.BYTES);
                LongBuffer targetPairs = target.asLongBuffer();
                for (long at = 0; at < length; at += chunk) {
                    int size = (int) Math.min(chunk, length - at);
                    source.get(bytes, 0, (size + 1) / 2);
                    int block = (int) ((first + from + at) / blockSize);
                    for (int start = 0; start < size; start += blockSize) {
                        scale(codes, absmax.get(block++), first16, second16);
                        int values = Math.min(size - start, blockSize);
                        unpack(bytes, start / 2, (values + 1) / 2, first16, second16, pairs);
                    }
                    targetPairs.put(pairs, 0, size / 2);
                    if (size % 2 != 0) {
                        target.putFloat((int) (length - 1) * Float.BYTES, Float.intBitsToFloat(first(pairs[size / 2])));
                    }
                }
                c = last;
            }
        });
    }

    /** A long holds two floats as they lie in memory: the first one comes first in either byte order. */
    private static void scale(float[] codes, float absmax, long[] first, long[] second) {
        for (int i = 0; i < 16; i++) {
            long bits = Float.floatToRawIntBits(codes[i] * absmax) & 0xffffffffL;
            first[i] = LITTLE_ENDIAN ? bits : bits << 32;
            second[i] = LITTLE_ENDIAN ? bits << 32 : bits;
        }
    }

    private static void unpack(byte[] bytes, int from, int count, long[] first, long[] second, long[] pairs) {
        for (int i = from; i < from + count; i++) {
            int pair = bytes[i];
            pairs[i] = first[(pair >> 4) & 15] | second[pair & 15];
        }
    }

    private static int first(long pair) {
        return (int) (LITTLE_ENDIAN ? pair : pair >>> 32);
    }
}
