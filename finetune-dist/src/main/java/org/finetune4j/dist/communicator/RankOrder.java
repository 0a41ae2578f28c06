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

    /** Sums of so many values stay in the processor's cache until they are where they belong. */
    private static final long BLOCK = 1 << 18;

    /**
     * Reduces vectors of one length and type.
     *
     * @param parts what each rank has, in the order of the ranks, at least one
     * @param reduction how
     * @param targets where the result goes, on any device; may be among the parts
     */
    public static void reduce(List<Tensor> parts, Reduction reduction, List<Tensor> targets) {
        long numel = parts.get(0).numel();
        for (long start = 0; start < numel; start += BLOCK) {
            long from = start;
            long length = Math.min(BLOCK, numel - start);
            try (TensorScope scope = TensorScope.open()) {
                List<Tensor> block =
                        parts.stream().map(part -> part.narrow(0, from, length)).toList();
                Tensor reduced = reduced(block, reduction);
                for (Tensor target : targets) {
                    target.narrow(0, from, length).copyInPlace(reduced);
                }
            }
        }
    }

    private static Tensor reduced(List<Tensor> parts, Reduction reduction) {
        Tensor first = parts.get(0);
        DType dtype = first.dtype();
        DType exact = reduction == Reduction.SUM && dtype.isFloatingPoint() ? dtype.atLeastFloat32() : dtype;
        Tensor result = exact == dtype ? first.copy() : first.to(exact);
        for (Tensor part : parts.subList(1, parts.size())) {
            Tensor other = part.to(first.device());
            switch (reduction) {
                case SUM -> result.addInPlace(other);
                case MIN -> result = result.minimum(other);
                case MAX -> result = result.maximum(other);
            }
        }
        return result.to(dtype);
    }
}
