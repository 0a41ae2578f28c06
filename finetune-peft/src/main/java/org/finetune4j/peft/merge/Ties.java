package org.finetune4j.peft.merge;

import java.util.List;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** TIES (Yadav et al. 2023) as PEFT computes it: trim each tensor, elect a sign unweighted, take the mean of the values that have it. */
public final class Ties {

    private Ties() {}

    /**
     * Merges task vectors of one shape.
     *
     * @param taskVectors what each model adds to the base, of one shape
     * @param weights one for each task vector
     * @param density share of the values that stay, above 0 and at most 1
     * @param sign how the sign of each value is elected
     * @return the merged task vector, of the same shape
     */
    public static Tensor merge(List<Tensor> taskVectors, double[] weights, double density, MajoritySign sign) {
        Inputs.check(taskVectors, weights);
        try (TensorScope scope = TensorScope.open()) {
            List<Tensor> trimmed = taskVectors.stream()
                    .map(tensor -> MagnitudePruning.prune(tensor, density))
                    .toList();
            return scope.keep(disjointMean(trimmed, weights, sign));
        }
    }

    /** The weighted sum of the values whose sign is the elected one, divided by their number. */
    static Tensor disjointMean(List<Tensor> tensors, double[] weights, MajoritySign sign) {
        try (TensorScope scope = TensorScope.open()) {
            Tensor elected = sign.elect(tensors);
            Tensor sum = Tensors.zeros(elected.dtype(), elected.device(), elected.shape());
            Tensor count = Tensors.zeros(elected.dtype(), elected.device(), elected.shape());
            for (int i = 0; i < weights.length; i++) {
                Tensor agrees = tensors.get(i).sign().eq(elected).to(elected.dtype());
                sum.addScaledInPlace(tensors.get(i).mul(agrees), weights[i]);
                count.addInPlace(agrees);
            }
            count.addInPlace(count.eq(0).to(count.dtype()));
            return scope.keep(sum.div(count));
        }
    }
}
