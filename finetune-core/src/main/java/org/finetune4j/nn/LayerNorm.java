package org.finetune4j.nn;

import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;

/** {@code w * (x - mean) / sqrt(variance + epsilon) + b} over the last dimension (Ba et al. 2016). */
public final class LayerNorm extends Norm {

    private final double epsilon;

    /** Reads {@code weight} [size] and {@code bias} [size]. */
    public LayerNorm(Weights weights, long size, double epsilon) {
        parameter("weight", weights.parameter("weight", Initialization.ONES, size));
        parameter("bias", weights.parameter("bias", Initialization.ZEROS, size));
        this.epsilon = epsilon;
    }

    @Override
    public Tensor forward(Tensor x) {
        return Functional.layerNorm(x, own("weight").as(x.dtype()), own("bias").as(x.dtype()), epsilon);
    }
}
