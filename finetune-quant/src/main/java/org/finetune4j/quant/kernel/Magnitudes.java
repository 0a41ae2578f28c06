package org.finetune4j.quant.kernel;

/** Largest magnitudes of blocks. */
final class Magnitudes {

    private static final int WITHOUT_SIGN = Integer.MAX_VALUE;

    private Magnitudes() {}

    /**
     * The largest magnitude, by comparing bits as whole numbers, which have the order of the floats: a float's own comparison takes
     * care of zeros' signs and of NaN each time. Four at a time, as each of them waits for the one before.
     *
     * @param values of which the first {@code size} count
     * @param size how many
     * @return 0 of none; NaN where one of them is
     */
    static float largest(float[] values, int size) {
        int a = 0;
        int b = 0;
        int c = 0;
        int d = 0;
        int i = 0;
        for (; i + 3 < size; i += 4) {
            a = Math.max(a, bits(values[i]));
            b = Math.max(b, bits(values[i + 1]));
            c = Math.max(c, bits(values[i + 2]));
            d = Math.max(d, bits(values[i + 3]));
        }
        for (; i < size; i++) {
            a = Math.max(a, bits(values[i]));
        }
        return Float.intBitsToFloat(Math.max(Math.max(a, b), Math.max(c, d)));
    }

    private static int bits(float value) {
        return Float.floatToRawIntBits(value) & WITHOUT_SIGN;
    }
}
