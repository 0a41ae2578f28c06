package org.finetune4j.model.fused;

import org.finetune4j.nn.RmsNorm;
import org.finetune4j.tensor.Arena;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.OutVariants;
import org.finetune4j.tensor.Tensor;

/** {@code y = w * x * scale} with {@code scale = 1 / sqrt(mean(x^2) + epsilon)}, forwards and backwards. Vectors are last dimensions. */
final class RmsFormula {

    private RmsFormula() {}

    /**
     * The scale of every vector.
     *
     * @param x [..., size]
     * @param scale [..., 1], set
     */
    static void scales(RmsNorm norm, Tensor x, Tensor scale) {
        OutVariants.norms(scale, x);
        OutVariants.normsToScales(scale, x.size(-1), norm.epsilon());
    }

    /**
     * Normalises.
     *
     * @param x [..., size]
     * @param scale [..., 1], of {@link #scales}
     * @param y of x's shape, set; may be x
     */
    static void apply(RmsNorm norm, Tensor x, Tensor scale, Tensor y) {
        OutVariants.mul(y, x, scale);
        y.mulInPlace(norm.weight().as(DType.FLOAT32));
    }

    /**
     * Goes back: adds the weight's gradient to its own, and the input's to a tensor.
     *
     * @param x as it was
     * @param scale as it was
     * @param y what {@link #apply} gave; used up
     * @param ofY d(loss)/d(y); used up
     * @param sum of x's shape; d(loss)/d(x) is added to it
     */
    static void backward(RmsNorm norm, Tensor x, Tensor scale, Tensor y, Tensor ofY, Tensor sum, Arena arena) {
        long size = x.size(-1);
        try (Arena.Region region = arena.open()) {
            Tensor along = region.take(scale.shape()); // [..., 1]
            y.mulInPlace(ofY);
            OutVariants.sum(along, y, -1, true);
            if (norm.weight().isTrainable()) {
                // y is w * direction: the weight's gradient is the sum of ofY * direction.
                OutVariants.mul(y, x, scale);
                y.mulInPlace(ofY);
                Gradient.addSum(norm.weight(), y.reshape(-1, size), 1);
            }
            // d(loss)/dx = scale (w ofY - direction mean(w ofY direction)), and along is size times that mean
            ofY.mulInPlace(norm.weight().as(DType.FLOAT32));
            OutVariants.addMul(sum, ofY, scale, 1);
            along.mulInPlace(scale).mulInPlace(scale);
            OutVariants.addMul(sum, x, along, -1.0 / size);
        }
    }
}
