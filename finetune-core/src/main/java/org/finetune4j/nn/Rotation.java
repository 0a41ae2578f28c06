package org.finetune4j.nn;

import java.util.List;
import java.util.function.IntFunction;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/**
 * The rotary embedding of the positions of one batch, in Hugging Face's half-split layout: element i of a head turns
 * together with element i + rotaryDim / 2.
 *
 * @param cosine [batch or 1, seq, 1, rotaryDim]
 * @param signedSine [batch or 1, seq, 1, rotaryDim]; the first half is negated, so that {@code x * cosine + roll(x,
 *     rotaryDim / 2) * signedSine} is the rotation
 */
public record Rotation(Tensor cosine, Tensor signedSine) {

    /**
     * The rotation of every position.
     *
     * @param frequencies speed of every pair of elements
     * @param positions row-major [rows, seq], where {@code rows} is 1 when all sequences have the same positions
     * @param rows sequences of the batch
     * @param device where the tensor lives
     * @param computeDType the type of the calculation
     * @return sines and cosines
     */
    public static Rotation of(
            RotaryFrequencies frequencies, int[] positions, int rows, Device device, DType computeDType) {
        return of(row -> frequencies, positions, rows, device, computeDType);
    }

    /**
     * The rotation of every position where rows turn at speeds of their own.
     *
     * @param frequencies of each row, all for as many elements of a head
     * @param positions row-major [rows, seq]
     * @param rows sequences of the batch
     * @param device where the tensor lives
     * @param computeDType the type of the calculation
     * @return sines and cosines
     */
    public static Rotation of(
            IntFunction<RotaryFrequencies> frequencies, int[] positions, int rows, Device device, DType computeDType) {
        int half = frequencies.apply(0).values().length;
        int rotaryDim = 2 * half;
        int seq = positions.length / rows;
        float[] cosine = new float[positions.length * rotaryDim];
        float[] sine = new float[positions.length * rotaryDim];
        for (int p = 0; p < positions.length; p++) {
            RotaryFrequencies own = frequencies.apply(p / seq);
            double[] speeds = own.values();
            double factor = own.attentionFactor();
            for (int i = 0; i < half; i++) {
                // float32 as in the reference: at large positions a double angle would give other logits.
                double angle = (float) speeds[i] * positions[p];
                float c = (float) (Math.cos(angle) * factor);
                float s = (float) (Math.sin(angle) * factor);
                int at = p * rotaryDim + i;
                cosine[at] = c;
                cosine[at + half] = c;
                sine[at] = -s;
                sine[at + half] = s;
            }
        }
        return new Rotation(
                Tensors.of(cosine, rows, seq, 1, rotaryDim).to(device).to(computeDType),
                Tensors.of(sine, rows, seq, 1, rotaryDim).to(device).to(computeDType));
    }

    /**
     * Rotates queries or keys: [batch, seq, heads, headDim] to the same shape. Where fewer elements of a head are rotated
     * than it has, the first ones are.
     *
     * @param x [batch, seq, heads, headDim]
     * @return the rotated ones
     */
    public Tensor apply(Tensor x) {
        long rotated = cosine.size(-1);
        long all = x.size(-1);
        if (rotated == all) {
            return rotate(x);
        }
        return Tensors.cat(List.of(rotate(x.narrow(3, 0, rotated)), x.narrow(3, rotated, all - rotated)), 3);
    }

    private Tensor rotate(Tensor x) {
        return x.mul(cosine).add(x.roll(x.size(-1) / 2, -1).mul(signedSine));
    }
}
