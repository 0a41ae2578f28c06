package org.finetune4j.model.gguf;

import java.nio.ByteBuffer;
import org.finetune4j.model.safetensors.FiniteValues;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/**
 * ggml's type q8_0: of each 32 numbers the largest magnitude divided by 127 is the scale d, stored as float16; each number
 * is stored as the integer nearest to x / d, halves away from zero.
 */
final class GgufQuantization {

    private static final int BLOCK = 32;
    private static final float LARGEST = 127;

    private GgufQuantization() {}

    /** Puts blocks of q8_0 into {@code target}; the length of {@code values}, of a tensor of this name, is a multiple of 32. */
    static void q8(String name, float[] values, ByteBuffer target) {
        float[] scales = new float[values.length / BLOCK];
        for (int block = 0; block < scales.length; block++) {
            float largest = 0;
            for (int i = block * BLOCK; i < (block + 1) * BLOCK; i++) {
                largest = Math.max(largest, Math.abs(values[i]));
            }
            scales[block] = largest / LARGEST;
        }
        byte[] halves = halves(name, scales);
        for (int block = 0; block < scales.length; block++) {
            target.put(halves, 2 * block, 2);
            float inverse = scales[block] == 0 ? 0 : 1 / scales[block];
            for (int i = block * BLOCK; i < (block + 1) * BLOCK; i++) {
                target.put(nearest(values[i] * inverse));
            }
        }
    }

    private static byte nearest(float value) {
        int magnitude = (int) Math.floor(Math.abs((double) value) + 0.5);
        return (byte) (value < 0 ? -magnitude : magnitude);
    }

    private static byte[] halves(String name, float[] values) {
        byte[] bytes = new byte[2 * values.length];
        Tensor halves = FiniteValues.convert(name, Tensors.of(values, values.length), DType.FLOAT16);
        halves.readBytes(0, bytes, bytes.length);
        return bytes;
    }
}
