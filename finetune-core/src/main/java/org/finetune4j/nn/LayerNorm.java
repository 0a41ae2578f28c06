package org.finetune4j.nn;

import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;

/**
 * {@code w * (x - mean) / sqrt(variance + epsilon) + b} over the last dimension (Ba et al. 2016). A few models leave w and b
 * out.
 */
public final class LayerNorm extends Norm {

    private final double epsilon;
    private final boolean plain;

    /**
     * Reads {@code weight} [size] and {@code bias} [size].
     *
     * @param weights where the parameters come from, below this module's name
     * @param size of the vectors
     * @param epsilon added to the variance
     */
    public LayerNorm(Weights weights, long size, double epsilon) {
        parameter("weight", weights.parameter("weight", Initialization.ONES, size));
        parameter("bias", weights.parameter("bias", Initialization.ZEROS, size));
        this.epsilon = epsilon;
        this.plain = false;
    }

    private LayerNorm(double epsilon) {
        this.epsilon = epsilon;
        this.plain = true;
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

    @Override
    public Tensor forward(Tensor x) {
        if (plain) {
            return Functional.layerNorm(x, null, null, epsilon);
        }
        return Functional.layerNorm(x, own("weight").as(x.dtype()), own("bias").as(x.dtype()), epsilon);
    }
}
