package org.finetune4j.peft.merge;

import java.util.List;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** {@code sum of weight times tensor}: a soup when the weights add up to 1, task arithmetic on deltas. */
public final class WeightedSum {

    private WeightedSum() {}

    /**
     * {@return the sum of tensors of one shape, each times its weight}
     *
     * @param tensors of one shape
     * @param weights one for each
     */
    public static Tensor of(List<Tensor> tensors, double[] weights) {
        Inputs.check(tensors, weights);
        try (TensorScope scope = TensorScope.open()) {
            Tensor sum = tensors.get(0).mul(weights[0]);
            for (int i = 1; i < weights.length; i++) {
                sum.addScaledInPlace(tensors.get(i), weights[i]);
            }
            return scope.keep(sum);
        }
    }
}
