package org.finetune4j.peft.merge;

import java.util.Arrays;
import java.util.List;
import org.finetune4j.tensor.LargestValues;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** TIES as the paper has it (Yadav et al. 2023): one threshold over a whole task vector, unweighted, scaled by lambda. */
public final class PaperTies {

    private PaperTies() {}

    /** The smallest magnitude that stays when {@code density} of all values of a task vector are kept. */
    public static double threshold(List<Tensor> taskVector, double density) {
        Inputs.checkDensity(density);
        try (TensorScope scope = TensorScope.open()) {
            Tensor all = Tensors.cat(
                    taskVector.stream().map(tensor -> tensor.reshape(-1).abs()).toList(), 0); // [all values]
            long count = (long) (density * all.numel());
            if (count == 0) {
                return Double.POSITIVE_INFINITY;
            }
            Tensor last = LargestValues.indices(all, count).narrow(0, count - 1, 1);
            return all.indexSelect(0, last).sum().item();
        }
    }

    /**
     * Merges one tensor.
     *
     * @param base the tensor of the base
     * @param taskVectors what each model adds to it
     * @param thresholds of each model, see {@link #threshold}
     */
    public static Tensor merge(Tensor base, List<Tensor> taskVectors, double[] thresholds, double lambda) {
        Inputs.check(taskVectors, thresholds);
        try (TensorScope scope = TensorScope.open()) {
            Tensor[] trimmed = new Tensor[thresholds.length];
            for (int i = 0; i < trimmed.length; i++) {
                Tensor task = taskVectors.get(i);
                Tensor dropped = task.abs().lessThan(thresholds[i]);
                trimmed[i] = task.copy().maskedFillInPlace(dropped, 0);
            }
            double[] equal = new double[trimmed.length];
            Arrays.fill(equal, 1);
            Tensor merged = Ties.disjointMean(List.of(trimmed), equal, MajoritySign.TOTAL);
            return scope.keep(base.addScaled(merged, lambda));
        }
    }
}
