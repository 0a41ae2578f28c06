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

    /**
     * Reads {@code weight} [size] and {@code bias} [size].
     *
     * @param weights where the parameters come from, below this module's name
     * @param size of the vectors
     * @param epsilon added to the variance
     */
    public LayerNorm(Weights weights, long size, double epsilon) {
        this(weights, size, epsilon, true);
    }

    private LayerNorm(Weights weights, long size, double epsilon, boolean biased) {
        parameter("weight", weights.parameter("weight", Initialization.ONES, size));
        if (biased) {
            parameter("bias", weights.parameter("bias", Initialization.ZEROS, size));
        }
        this.epsilon = epsilon;
        this.weighted = true;
        this.biased = biased;
    }

    private LayerNorm(double epsilon) {
        this.epsilon = epsilon;
        this.weighted = false;
        this.biased = false;
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
        return (weights, size) -> new LayerNorm(weights, size, epsilon, true);
    }

    /**
     * Norms with a weight alone.
     *
     * @param epsilon added to the variance
     * @return makes them
     */
    public static Factory withoutBiasFactory(double epsilon) {
        return (weights, size) -> new LayerNorm(weights, size, epsilon, false);
    }

    @Override
    public Tensor forward(Tensor x) {
        return Functional.layerNorm(
                x,
                weighted ? own("weight").as(x.dtype()) : null,
                biased ? own("bias").as(x.dtype()) : null,
                epsilon);
    }
}
