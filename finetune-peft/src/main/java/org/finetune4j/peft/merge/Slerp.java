package org.finetune4j.peft.merge;

import java.util.List;
import java.util.function.ToDoubleBiFunction;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** Spherical linear interpolation of two tensors, each seen as one vector. */
public final class Slerp {

    /** Vectors closer in direction than this are interpolated linearly: the sphere's formula divides by nearly zero. */
    private static final double NEARLY_PARALLEL = 0.9995;

    private Slerp() {}

    /**
     * {@return the point at {@code t} on the way from the first to the second; the ends are at 0 and 1}
     *
     * @param first where {@code t} is 0
     * @param second of the same shape, where {@code t} is 1
     * @param t the place on the way, usually from 0 to 1
     */
    public static Tensor between(Tensor first, Tensor second, double t) {
        try (TensorScope scope = TensorScope.open()) {
            double[] weights = weights(
                    exactly(first, first, (a, b) -> a.mul(b).sum().item()),
                    exactly(second, second, (a, b) -> a.mul(b).sum().item()),
                    exactly(first, second, (a, b) -> a.mul(b).sum().item()),
                    t);
            List<Tensor> both = List.of(first.to(DType.FLOAT64), second.to(DType.FLOAT64));
            return scope.keep(WeightedSum.of(both, weights).to(first.dtype()));
        }
    }

    /** A number of two tensors, calculated in float64. */
    static double exactly(Tensor first, Tensor second, ToDoubleBiFunction<Tensor, Tensor> number) {
        try (TensorScope scope = TensorScope.open()) {
            return number.applyAsDouble(first.to(DType.FLOAT64), second.to(DType.FLOAT64));
        }
    }

    /**
     * What both vectors are multiplied by.
     *
     * @param squareA the first one's squared length
     * @param squareB the second one's
     * @param product their inner product
     */
    static double[] weights(double squareA, double squareB, double product, double t) {
        double lengths = Math.sqrt(squareA) * Math.sqrt(squareB);
        double cosine = lengths == 0 ? 1 : product / lengths;
        if (Math.abs(cosine) > NEARLY_PARALLEL) {
            return new double[] {1 - t, t};
        }
        double angle = Math.acos(cosine);
        return new double[] {Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)};
    }
}
