package org.finetune4j.peft.merge;

import java.util.List;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** Task arithmetic (Ilharco et al. 2023): {@code base + sum of weight times task vector}. */
public final class TaskArithmetic {

    private TaskArithmetic() {}

    /**
     * Adds weighted task vectors to the base; all of one shape.
     *
     * @param base the tensor of the base
     * @param taskVectors what each model adds to the base, of one shape
     * @param weights one for each task vector
     * @return the merged tensor
     */
    public static Tensor of(Tensor base, List<Tensor> taskVectors, double[] weights) {
        try (TensorScope scope = TensorScope.open()) {
            return scope.keep(base.add(WeightedSum.of(taskVectors, weights)));
        }
    }
}
