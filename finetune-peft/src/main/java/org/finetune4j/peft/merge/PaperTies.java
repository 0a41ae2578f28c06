package org.finetune4j.peft.merge;

import java.util.Arrays;
import java.util.List;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** TIES as the paper has it (Yadav et al. 2023): one threshold over a whole task vector, unweighted, scaled by lambda. */
public final class PaperTies {

    private PaperTies() {}

    /**
     * {@return the smallest magnitude that stays when {@code density} of all values of a task vector are kept}
     *
     * @param taskVector all its tensors
     * @param density share of the values that stay, above 0 and at most 1
     */
    public static double threshold(List<Tensor> taskVector, double density) {
        long total = taskVector.stream().mapToLong(Tensor::numel).sum();
        return MagnitudeThreshold.of(total, density, taskVector::stream);
    }

    /**
     * Merges one tensor.
     *
     * @param base the tensor of the base
     * @param taskVectors what each model adds to it
     * @param thresholds of each model, see {@link #threshold}
     * @param lambda what the merged task vector is multiplied by
     * @return the merged tensor, of the shape of the base
     */
    public static Tensor merge(Tensor base, List<Tensor> taskVectors, double[] thresholds, double lambda) {
        Inputs.check(taskVectors, thresholds);
        try (TensorScope scope = TensorScope.open()) {
            Tensor[] trimmed = new Tensor[thresholds.length];
            for (int i = 0; i < trimmed.length; i++) {
                trimmed[i] = MagnitudeThreshold.trim(taskVectors.get(i), thresholds[i]);
            }
            double[] equal = new double[trimmed.length];
            Arrays.fill(equal, 1);
            Tensor merged = Ties.disjointMean(List.of(trimmed), equal, MajoritySign.TOTAL);
            return scope.keep(base.addScaled(merged, lambda));
        }
    }
}
