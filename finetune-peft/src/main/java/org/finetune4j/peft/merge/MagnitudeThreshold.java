package org.finetune4j.peft.merge;

import java.util.function.Supplier;
import java.util.stream.Stream;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/**
 * The magnitude of the n-th largest of many values that never are in memory together. Magnitudes of float32 are in the order
 * of their bits, so that two passes of counting, by the upper and by the lower bits, find it exactly.
 */
final class MagnitudeThreshold {

    private static final int LOWER_BITS = 15;
    private static final int UPPER = 1 << 16;
    private static final int LOWER = 1 << LOWER_BITS;

    private MagnitudeThreshold() {}

    /**
     * The smallest magnitude that stays when {@code floor(density * total)} values are kept; infinite when none are.
     *
     * @param total how many values there are
     * @param slices gives all of them, in parts of any shape; it is asked twice
     */
    static double of(long total, double density, Supplier<Stream<Tensor>> slices) {
        Inputs.checkDensity(density);
        long kept = (long) (density * total);
        if (kept == 0) {
            return Double.POSITIVE_INFINITY;
        }
        long[] byUpper = new long[UPPER];
        count(slices, bits -> byUpper[bits >>> LOWER_BITS]++);
        int upper = UPPER;
        long larger = 0;
        do {
            upper--;
            larger += byUpper[upper];
        } while (larger < kept);
        long missing = kept - (larger - byUpper[upper]);
        int bin = upper;
        long[] byLower = new long[LOWER];
        count(slices, bits -> {
            if (bits >>> LOWER_BITS == bin) {
                byLower[bits & (LOWER - 1)]++;
            }
        });
        int lower = LOWER;
        long found = 0;
        do {
            lower--;
            found += byLower[lower];
        } while (found < missing);
        return Float.intBitsToFloat(upper << LOWER_BITS | lower);
    }

    /** The values that are not smaller than the threshold, the others as zeros. */
    static Tensor trim(Tensor values, double threshold) {
        try (TensorScope scope = TensorScope.open()) {
            Tensor dropped = values.to(DType.FLOAT32).abs().lessThan(threshold);
            return scope.keep(values.copy().maskedFillInPlace(dropped, 0));
        }
    }

    private interface Counter {
        void add(int bits);
    }

    private static void count(Supplier<Stream<Tensor>> slices, Counter counter) {
        try (Stream<Tensor> parts = slices.get()) {
            parts.forEach(part -> {
                for (float value : part.toFloatArray()) {
                    counter.add(Float.floatToRawIntBits(value) & Integer.MAX_VALUE);
                }
            });
        }
    }
}
