package org.finetune4j.quant.blockwise;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Up to 256 numbers from -1 to 1 that values are rounded to. The nearest one is found without a branch, which no processor
 * could foresee: a table over the first 16 bits of a float has the nearest to the smallest float that begins so, and of those
 * floats at most one middle between two numbers is passed. Of two numbers that are equally near it is the lower one.
 */
public final class CodeBook {

    /** Quantiles of a normal distribution, with an exact zero (Dettmers et al. 2023, appendix E). */
    public static final CodeBook NF4 = new CodeBook(new float[] {
        -1f,
        -0.6961928f,
        -0.52507305f,
        -0.3949175f,
        -0.28444138f,
        -0.18477343f,
        -0.091050036f,
        0f,
        0.0795803f,
        0.1609302f,
        0.2461123f,
        0.33791524f,
        0.44070983f,
        0.562617f,
        0.72295684f,
        1f
    });

    /** A 4-bit float: sign, two bits of exponent, one of mantissa. Codes 0 and 8 are both zero; small positive
     * numbers become 8, as in bitsandbytes. */
    public static final CodeBook FP4 = new CodeBook(fp4());

    /** 8 bits with a moving point between exponent and fraction, for values of both signs (Dettmers et al. 2021). */
    public static final CodeBook DYNAMIC_SIGNED = new CodeBook(dynamic(true));

    /** The same for values that are never negative. */
    public static final CodeBook DYNAMIC_UNSIGNED = new CodeBook(dynamic(false));

    private static final int KEY_SHIFT = 16;

    /** The float below 2: above every middle, and so little that differences from it do not overflow. */
    private static final int ABOVE_ALL = 0x3fffffff;

    private static final int DYNAMIC_EXPONENTS = 7;

    private final float[] values;
    private final float[] sorted;
    private final float[] middles;
    private final int[] orderedMiddles;
    private final byte[] codeOfSorted;
    private final byte[] firstCandidate = new byte[1 << (Integer.SIZE - KEY_SHIFT)];

    private CodeBook(float[] values) {
        this.values = values;
        List<Integer> codes = new ArrayList<>();
        for (int code = 0; code < values.length; code++) {
            codes.add(code);
        }
        // The sort is stable: the two zeros of FP4 keep the order of their codes.
        codes.sort(Comparator.comparing(code -> values[code]));
        sorted = new float[codes.size()];
        middles = new float[codes.size()];
        codeOfSorted = new byte[codes.size()];
        for (int i = 0; i < sorted.length; i++) {
            sorted[i] = values[codes.get(i)];
            codeOfSorted[i] = codes.get(i).byteValue();
        }
        for (int i = 0; i + 1 < sorted.length; i++) {
            middles[i] = (sorted[i] + sorted[i + 1]) / 2f;
        }
        middles[sorted.length - 1] = Float.POSITIVE_INFINITY;
        orderedMiddles = new int[middles.length];
        for (int i = 0; i + 1 < middles.length; i++) {
            orderedMiddles[i] = ordered(Float.floatToRawIntBits(middles[i]));
        }
        orderedMiddles[middles.length - 1] = ABOVE_ALL;
        fillCandidates();
    }

    /** Whole numbers in the order of the floats with these bits. */
    private static int ordered(int bits) {
        return bits ^ (bits >> 31 & Integer.MAX_VALUE);
    }

    /** A candidate is the nearest to the smallest number of its key: the nearest to any other one is the same or above. */
    private void fillCandidates() {
        int negative = firstCandidate.length / 2;
        for (int key = 0; key < firstCandidate.length; key++) {
            int bits = key << KEY_SHIFT;
            float smallest = Float.intBitsToFloat(key < negative ? bits : bits | ((1 << KEY_SHIFT) - 1));
            int candidate = 0;
            if (Float.isFinite(smallest)) {
                while (smallest > middles[candidate]) {
                    candidate++;
                }
            }
            firstCandidate[key] = (byte) candidate;
        }
    }

    /**
     * {@return the code of the number nearest to {@code x}}
     *
     * @param x from -1 to 1, or by a rounding error beyond
     */
    public int nearest(float x) {
        int bits = Float.floatToRawIntBits(x);
        int at = firstCandidate[bits >>> KEY_SHIFT] & 0xff;
        int isAbove = (orderedMiddles[at] - ordered(bits)) >>> 31;
        return codeOfSorted[at + isAbove] & 0xff;
    }

    /**
     * Codes of a block: of its values as parts of the largest magnitude.
     *
     * @param values of which the first {@code size} count
     * @param largest magnitude of these
     * @param codes filled
     * @param size how many
     */
    public void nearest(float[] values, float largest, byte[] codes, int size) {
        if (largest < Float.MIN_NORMAL) {
            nearestOfTiny(values, largest, codes, size);
            return;
        }
        float scale = 1f / largest;
        for (int i = 0; i < size; i++) {
            codes[i] = (byte) nearest(values[i] * scale);
        }
    }

    /** The reciprocal of a denormal number or of zero may be infinite: the bounds hold the product. */
    private void nearestOfTiny(float[] values, float largest, byte[] codes, int size) {
        float scale = 1f / largest;
        for (int i = 0; i < size; i++) {
            float scaled = values[i] == 0 ? 0 : Math.max(-1f, Math.min(1f, values[i] * scale));
            codes[i] = (byte) nearest(scaled);
        }
    }

    /**
     * {@return the number that a code stands for}
     *
     * @param code from 0 to {@link #size()} - 1
     */
    public float value(int code) {
        return values[code];
    }

    /** {@return all numbers in the order of their codes; the caller may change the returned array} */
    public float[] values() {
        return values.clone();
    }

    /**
     * {@return the middles between neighbours in ascending order, and infinity at the end; the caller may change the array}
     */
    public float[] middles() {
        return middles.clone();
    }

    /** {@return the codes in ascending order of their numbers; the caller may change the returned array} */
    public byte[] codesInOrder() {
        return codeOfSorted.clone();
    }

    /** {@return how many codes there are} */
    public int size() {
        return values.length;
    }

    private static float[] fp4() {
        float[] magnitudes = {0f, 0.0625f, 8f, 12f, 4f, 6f, 2f, 3f};
        float[] values = new float[16];
        for (int i = 0; i < magnitudes.length; i++) {
            values[i] = magnitudes[i] / 12f;
            values[i + 8] = 0f - values[i];
        }
        return values;
    }

    /** For every power of ten from 1e-6 to 1, the middles of 1, 2, 4, ... equal parts of 0.1 to 1; then 0 and 1. */
    private static float[] dynamic(boolean signed) {
        List<Float> values = new ArrayList<>(List.of(0f, 1f));
        for (int i = 0; i < DYNAMIC_EXPONENTS; i++) {
            int parts = 1 << (signed ? i : i + 1);
            float power = (float) Math.pow(10, i - (DYNAMIC_EXPONENTS - 1));
            for (int part = 0; part < parts; part++) {
                float middle = (boundary(part, parts) + boundary(part + 1, parts)) / 2f;
                values.add(power * middle);
                if (signed) {
                    values.add(-(power * middle));
                }
            }
        }
        while (values.size() < 256) {
            values.add(0f);
        }
        values.sort(Comparator.naturalOrder());
        float[] array = new float[values.size()];
        for (int i = 0; i < array.length; i++) {
            array[i] = values.get(i);
        }
        return array;
    }

    /** Rounded as PyTorch's {@code linspace} does: from the nearer end, in one rounding. */
    private static float boundary(int part, int parts) {
        float step = (1f - 0.1f) / parts;
        return part < (parts + 1) / 2 ? Math.fma(step, part, 0.1f) : Math.fma(-step, parts - part, 1f);
    }
}
