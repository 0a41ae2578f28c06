package org.finetune4j.nn;

import java.util.List;
import java.util.function.IntFunction;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/**
 * The rotary embedding of the positions of one batch. In Hugging Face's usual half-split layout element i of a head turns together
 * with element i + rotaryDim / 2, in the interleaved one element 2 i with element 2 i + 1.
 *
 * @param cosine [batch or 1, seq, 1, rotaryDim]
 * @param signedSine [batch or 1, seq, 1, rotaryDim]; negated for the first element of each pair, so that {@code x * cosine +
 *     partner(x) * signedSine} is the rotation
 * @param interleaved which of the two layouts it is
 */
public record Rotation(Tensor cosine, Tensor signedSine, boolean interleaved) {

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
        boolean interleaved = frequencies.apply(0).interleaved();
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
                int first = p * rotaryDim + (interleaved ? 2 * i : i);
                int second = first + (interleaved ? 1 : half);
                cosine[first] = c;
                cosine[second] = c;
                sine[first] = -s;
                sine[second] = s;
            }
        }
        return new Rotation(
                Tensors.of(cosine, rows, seq, 1, rotaryDim).to(device).to(computeDType),
                Tensors.of(sine, rows, seq, 1, rotaryDim).to(device).to(computeDType),
                interleaved);
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
        return x.mul(cosine).add(partner(x).mul(signedSine));
    }

    /** What each element turns together with. */
    private Tensor partner(Tensor x) {
        if (!interleaved) {
            return x.roll(x.size(-1) / 2, -1);
        }
        Tensor pairs = x.view(x.size(0), x.size(1), x.size(2), x.size(3) / 2, 2); // [batch, seq, heads, pairs, 2]
        return pairs.roll(1, -1).view(x.shape()); // [batch, seq, heads, rotaryDim]
    }
}
