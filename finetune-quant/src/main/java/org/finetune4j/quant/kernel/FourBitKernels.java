package org.finetune4j.quant.kernel;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import org.finetune4j.quant.blockwise.CodeBook;
import org.finetune4j.tensor.Tensor;

/**
 * Turns packed 4-bit codes back into float32. A thread works through pieces that fit its first-level cache: bytes come in by
 * bulk copies, and floats go straight to where they belong, which is faster than an array and a bulk copy of it.
 */
public final class FourBitKernels {

    /** Values that a thread handles at a time. */
    private static final int CHUNK = 32768;

    /** Writes faster than a {@link FloatBuffer} does: the compiler moves its checks out of the loop. */
    private static final VarHandle FLOATS =
            MethodHandles.byteBufferViewVarHandle(float[].class, ByteOrder.nativeOrder());

    /** Fewest pieces worth another thread. */
    private static final int GRAIN = 2;

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
     * @param book numbers of the 16 codes
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
                ByteBuffer target = destination.memory(from * Float.BYTES, length * Float.BYTES);
                for (int at = 0; at < length; at += chunk) {
                    int size = (int) Math.min(chunk, length - at);
                    source.get(bytes, 0, (size + 1) / 2);
                    absmax.get((int) ((first + from + at) / blockSize), scales, 0, (size + blockSize - 1) / blockSize);
                    unpack(bytes, size, pairs, scales, blockSize, target, at);
                    unpackTail(bytes, size, pairs, scales, blockSize, target, at);
                }
                c = last;
            }
        });
    }

    /** Whole blocks; the compiler makes the fastest code of it when nothing else is in this method. */
    private static void unpack(
            byte[] bytes, int size, Pairs pairs, float[] scales, int blockSize, ByteBuffer target, int at) {
        // Arrays that are made here have a length that the compiler knows: no byte is outside of it, and nothing is
        // checked.
        float[] high = new float[256];
        float[] low = new float[256];
        System.arraycopy(pairs.high, 0, high, 0, 256);
        System.arraycopy(pairs.low, 0, low, 0, 256);
        int half = blockSize / 2;
        int end = size / blockSize * half;
        int block = 0;
        for (int start = 0; start < end; start += half) {
            float scale = scales[block++];
            for (int i = start; i < start + half; i++) {
                int pair = bytes[i] & 0xff;
                FLOATS.set(target, 4 * at + 8 * i, high[pair] * scale);
                FLOATS.set(target, 4 * at + 8 * i + 4, low[pair] * scale);
            }
        }
    }

    /** The values of the last, shorter block. */
    private static void unpackTail(
            byte[] bytes, int size, Pairs pairs, float[] scales, int blockSize, ByteBuffer target, int at) {
        float scale = scales[(size - 1) / blockSize];
        for (int i = size / blockSize * blockSize; i < size; i++) {
            int pair = bytes[i / 2] & 0xff;
            float value = i % 2 == 0 ? pairs.high[pair] : pairs.low[pair];
            target.putFloat(4 * (at + i), value * scale);
        }
    }
}
