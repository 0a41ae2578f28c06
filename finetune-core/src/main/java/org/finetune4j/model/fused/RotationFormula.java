package org.finetune4j.model.fused;

import org.finetune4j.nn.Rotation;
import org.finetune4j.tensor.Arena;
import org.finetune4j.tensor.OutVariants;
import org.finetune4j.tensor.Tensor;

/** The rotary embedding in place, and backwards: the same turn the other way round. */
final class RotationFormula {

    private RotationFormula() {}

    /**
     * Turns queries or keys.
     *
     * @param x [batch, seq, heads, headDim], changed
     * @param back whether x is a gradient of what was turned
     */
    static void turn(Rotation rotation, Tensor x, boolean back, Arena arena) {
        long half = rotation.cosine().size(-1) / 2;
        Tensor first = ofPairs(rotation, x, half, 0); // [batch, seq, heads, half]
        Tensor second = ofPairs(rotation, x, half, 1);
        Tensor cosine = ofPairs(rotation, rotation.cosine(), half, 0); // [batch or 1, seq, 1, half], of both
        Tensor sine = ofPairs(rotation, rotation.signedSine(), half, 1);
        double sign = back ? 1 : -1;
        try (Arena.Region region = arena.open()) {
            Tensor crossed = region.take(first.shape());
            OutVariants.mul(crossed, first, sine);
            first.mulInPlace(cosine);
            OutVariants.addMul(first, second, sine, sign);
            second.mulInPlace(cosine);
            second.addScaledInPlace(crossed, -sign);
        }
    }

    /** The first (0) or second (1) element of every pair that turns, a view. */
    private static Tensor ofPairs(Rotation rotation, Tensor x, long half, long which) {
        return rotation.interleaved()
                ? x.narrow(3, 0, 2 * half)
                        .view(x.size(0), x.size(1), x.size(2), half, 2)
                        .select(4, which)
                : x.narrow(3, which * half, half);
    }
}
