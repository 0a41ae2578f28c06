package org.finetune4j.peft.merge;

import java.util.List;
import org.finetune4j.tensor.LargestValues;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** Keeps the values of a task vector that are largest in magnitude. */
public final class MagnitudePruning {

    private MagnitudePruning() {}

    /**
     * Keeps {@code floor(density * numel)} values of the tensor, as PEFT does, and sets the others to zero.
     *
     * @param tensor left as it is
     * @param density share of the values that stay, above 0 and at most 1
     * @return a new tensor of the same shape
     */
    public static Tensor prune(Tensor tensor, double density) {
        Inputs.checkDensity(density);
        try (TensorScope scope = TensorScope.open()) {
            long count = (long) (density * tensor.numel());
            Tensor flat = tensor.reshape(-1); // [numel]
            Tensor mask = Tensors.zeros(tensor.dtype(), tensor.device(), tensor.numel());
            if (count > 0) {
                Tensor kept = LargestValues.indices(flat.abs(), count);
                mask.indexAddInPlace(0, kept, Tensors.ones(tensor.dtype(), tensor.device(), count));
            }
            return scope.keep(flat.mul(mask).reshape(tensor.shape()));
        }
    }

    /**
     * {@return the weighted sum of pruned task vectors}
     *
     * @param taskVectors what each model adds to the base, of one shape
     * @param weights one for each task vector
     * @param density share of the values that stay, above 0 and at most 1
     */
    public static Tensor merge(List<Tensor> taskVectors, double[] weights, double density) {
        try (TensorScope scope = TensorScope.open()) {
            List<Tensor> pruned =
                    taskVectors.stream().map(tensor -> prune(tensor, density)).toList();
            return scope.keep(WeightedSum.of(pruned, weights));
        }
    }
}
