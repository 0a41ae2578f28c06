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
        Tensor first = x.narrow(3, 0, half);
        Tensor second = x.narrow(3, half, half);
        Tensor cosine = rotation.cosine().narrow(3, 0, half); // [batch or 1, seq, 1, half], of both halves
        Tensor sine = rotation.signedSine().narrow(3, half, half);
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
}
