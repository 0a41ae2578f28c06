package org.finetune4j.peft.merge;

import java.util.List;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** Spherical linear interpolation of two tensors, each seen as one vector. */
public final class Slerp {

    /** Vectors closer in direction than this are interpolated linearly: the sphere's formula divides by nearly zero. */
    private static final double NEARLY_PARALLEL = 0.9995;

    private Slerp() {}

    /** The point at {@code t} on the way from the first to the second; the ends are at 0 and 1. */
    public static Tensor between(Tensor first, Tensor second, double t) {
        try (TensorScope scope = TensorScope.open()) {
            Tensor a = first.to(DType.FLOAT64);
            Tensor b = second.to(DType.FLOAT64);
            double norms =
                    a.square().sum().sqrt().item() * b.square().sum().sqrt().item();
            double cosine = norms == 0 ? 1 : a.mul(b).sum().item() / norms;
            if (Math.abs(cosine) > NEARLY_PARALLEL) {
                return scope.keep(
                        WeightedSum.of(List.of(a, b), new double[] {1 - t, t}).to(first.dtype()));
            }
            double angle = Math.acos(cosine);
            double[] weights = {Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)};
            return scope.keep(WeightedSum.of(List.of(a, b), weights).to(first.dtype()));
        }
    }
}
