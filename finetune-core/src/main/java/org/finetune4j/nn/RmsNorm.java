package org.finetune4j.nn;

import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;

/** {@code w * x / sqrt(mean(x^2) + epsilon)} over the last dimension (Zhang and Sennrich 2019). */
public final class RmsNorm extends Norm {

    private final double epsilon;

    /** Reads {@code weight} [size]. */
    public RmsNorm(Weights weights, long size, double epsilon) {
        parameter("weight", weights.parameter("weight", Initialization.ONES, size));
        this.epsilon = epsilon;
    }

    @Override
    public Tensor forward(Tensor x) {
        return Functional.rmsNorm(x, own("weight").as(x.dtype()), epsilon);
    }
}
