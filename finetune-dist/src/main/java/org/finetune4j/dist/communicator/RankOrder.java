package org.finetune4j.dist.communicator;

import java.util.List;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/**
 * Reduces what the ranks have in the order of the ranks, one after the other, so that every run and every back end gives the same
 * bits. Sums of float16 and bfloat16 are calculated in float32 and rounded once; sums of truth values hold where one of them does;
 * sums of integers wrap around.
 */
public final class RankOrder {

    private RankOrder() {}

    /**
     * Reduces tensors of one shape and type.
     *
     * @param parts what each rank has, in the order of the ranks, at least one
     * @param reduction how
     * @return a new tensor of their type, on the first one's device
     */
    public static Tensor reduce(List<Tensor> parts, Reduction reduction) {
        Tensor first = parts.get(0);
        DType dtype = first.dtype();
        DType exact = reduction == Reduction.SUM && dtype.isFloatingPoint() ? dtype.atLeastFloat32() : dtype;
        try (TensorScope scope = TensorScope.open()) {
            Tensor result = exact == dtype ? first.copy() : first.to(exact);
            for (Tensor part : parts.subList(1, parts.size())) {
                Tensor other = part.to(first.device());
                switch (reduction) {
                    case SUM -> result.addInPlace(other);
                    case MIN -> result = result.minimum(other);
                    case MAX -> result = result.maximum(other);
                }
            }
            return scope.keep(result.to(dtype));
        }
    }
}
