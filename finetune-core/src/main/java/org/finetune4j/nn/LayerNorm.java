package org.finetune4j.nn;

import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;

/** {@code w * (x - mean) / sqrt(variance + epsilon) + b} over the last dimension (Ba et al. 2016). */
public final class LayerNorm extends Norm {

    private final Parameter weight;
    private final Parameter bias;
    private final double epsilon;

    /** Reads {@code weight} [size] and {@code bias} [size]. */
    public LayerNorm(Weights weights, long size, double epsilon) {
        this.weight = parameter("weight", weights.parameter("weight", Initialization.ONES, size));
        this.bias = parameter("bias", weights.parameter("bias", Initialization.ZEROS, size));
        this.epsilon = epsilon;
    }

    @Override
    public Tensor forward(Tensor x) {
        return Functional.layerNorm(x, weight.as(x.dtype()), bias.as(x.dtype()), epsilon);
    }
}
