package org.finetune4j.peft.merge;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** DARE (Yu et al. 2024): drop values of a task vector at random and rescale the others by {@code 1 / density}. */
public final class Dare {

    private Dare() {}

    /**
     * {@return a mask of ones and zeros in the tensor's shape; each value is 1 with probability {@code density}}
     *
     * @param like gives shape, type and device
     * @param density share of the values that stay, above 0 and at most 1
     * @param seed decides which values stay
     */
    public static Tensor mask(Tensor like, double density, long seed) {
        Inputs.checkDensity(density);
        SplittableRandom random = new SplittableRandom(seed);
        byte[] kept = new byte[Math.toIntExact(like.numel())];
        for (int i = 0; i < kept.length; i++) {
            kept[i] = (byte) (random.nextDouble() < density ? 1 : 0);
        }
        try (TensorScope scope = TensorScope.open()) {
            return scope.keep(Tensors.of(kept, like.shape()).to(like.device()).to(like.dtype()));
        }
    }

    /**
     * {@return the weighted sum of dropped and rescaled task vectors}
     *
     * @param taskVectors what each model adds to the base, of one shape
     * @param masks one for each task vector, see {@link #mask}
     * @param weights one for each task vector
     * @param density the share of ones that the masks were made with
     */
    public static Tensor linear(List<Tensor> taskVectors, List<Tensor> masks, double[] weights, double density) {
        try (TensorScope scope = TensorScope.open()) {
            return scope.keep(WeightedSum.of(rescaled(taskVectors, masks, density), weights));
        }
    }

    /**
     * TIES without trimming over dropped and rescaled task vectors, as PEFT does it.
     *
     * @param taskVectors what each model adds to the base, of one shape
     * @param masks one for each task vector, see {@link #mask}
     * @param weights one for each task vector
     * @param density the share of ones that the masks were made with
     * @param sign how the sign of each value is elected
     * @return the merged task vector
     */
    public static Tensor ties(
            List<Tensor> taskVectors, List<Tensor> masks, double[] weights, double density, MajoritySign sign) {
        try (TensorScope scope = TensorScope.open()) {
            return scope.keep(Ties.disjointMean(rescaled(taskVectors, masks, density), weights, sign));
        }
    }

    /** Task vectors with the values that the masks leave out as zeros, and the others divided by the density. */
    static List<Tensor> rescaled(List<Tensor> taskVectors, List<Tensor> masks, double density) {
        Inputs.checkDensity(density);
        List<Tensor> rescaled = new ArrayList<>();
        for (int i = 0; i < taskVectors.size(); i++) {
            rescaled.add(taskVectors.get(i).mul(masks.get(i)).div(density));
        }
        return rescaled;
    }

    /** Masks for several task vectors, each from its own seed. */
    static List<Tensor> masks(List<Tensor> taskVectors, double density, long seed) {
        List<Tensor> masks = new ArrayList<>();
        for (int i = 0; i < taskVectors.size(); i++) {
            masks.add(mask(taskVectors.get(i), density, seed + 0x9E3779B97F4A7C15L * (i + 1)));
        }
        return masks;
    }
}
