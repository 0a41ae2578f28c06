package org.finetune4j.nn;

import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;

/**
 * {@code w * (x - mean) / sqrt(variance + epsilon) + b} over the last dimension (Ba et al. 2016). A few models leave b out, or
 * both.
 */
public final class LayerNorm extends Norm {

    private final double epsilon;
    private final boolean weighted;
    private final boolean biased;
    private final boolean onePlus;

    /**
     * Reads {@code weight} [size] and {@code bias} [size].
     *
     * @param weights where the parameters come from, below this module's name
     * @param size of the vectors
     * @param epsilon added to the variance
     */
    public LayerNorm(Weights weights, long size, double epsilon) {
        this(weights, size, epsilon, true, false);
    }

    private LayerNorm(Weights weights, long size, double epsilon, boolean biased, boolean onePlus) {
        parameter("weight", weights.parameter("weight", onePlus ? Initialization.ZEROS : Initialization.ONES, size));
        if (biased) {
            parameter("bias", weights.parameter("bias", Initialization.ZEROS, size));
        }
        this.epsilon = epsilon;
        this.weighted = true;
        this.biased = biased;
        this.onePlus = onePlus;
    }

    private LayerNorm(double epsilon) {
        this.epsilon = epsilon;
        this.weighted = false;
        this.biased = false;
        this.onePlus = false;
    }

    /**
     * A norm without weight and bias.
     *
     * @param epsilon added to the variance
     * @return the norm
     */
    public static LayerNorm plain(double epsilon) {
        return new LayerNorm(epsilon);
    }

    /**
     * Norms with weight and bias.
     *
     * @param epsilon added to the variance
     * @return makes them
     */
    public static Factory factory(double epsilon) {
        return (weights, size) -> new LayerNorm(weights, size, epsilon, true, false);
    }

    /**
     * Norms with a weight alone.
     *
     * @param epsilon added to the variance
     * @return makes them
     */
    public static Factory withoutBiasFactory(double epsilon) {
        return (weights, size) -> new LayerNorm(weights, size, epsilon, false, false);
    }

    /**
     * Norms with weight and bias that multiply by one plus the weight.
     *
     * @param epsilon added to the variance
     * @return makes them
     */
    public static Factory onePlusFactory(double epsilon) {
        return (weights, size) -> new LayerNorm(weights, size, epsilon, true, true);
    }

    @Override
    public Tensor forward(Tensor x) {
        return Functional.layerNorm(
                x, weighted ? factor(x) : null, biased ? own("bias").as(x.dtype()) : null, epsilon);
    }

    private Tensor factor(Tensor x) {
        Tensor weight = own("weight").as(x.dtype());
        return onePlus ? weight.add(1) : weight;
    }
}
