package org.finetune4j.peft.merge;

import java.util.List;
import java.util.function.UnaryOperator;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** How the sign of a merged value is elected. */
public enum MajoritySign {
    /** The sign of the sum of the values. */
    TOTAL(tensor -> tensor),
    /** The sign that most values have. */
    FREQUENCY(Tensor::sign);

    private final UnaryOperator<Tensor> vote;

    MajoritySign(UnaryOperator<Tensor> vote) {
        this.vote = vote;
    }

    /** The elected sign of every value, 1 or -1; a draw is 1. */
    Tensor elect(List<Tensor> tensors) {
        try (TensorScope scope = TensorScope.open()) {
            Tensor sum = vote.apply(tensors.get(0)).copy();
            for (Tensor tensor : tensors.subList(1, tensors.size())) {
                sum.addInPlace(vote.apply(tensor));
            }
            Tensor negative = sum.lessThan(0).to(sum.dtype());
            return scope.keep(negative.mul(-2).add(1));
        }
    }
}
