package org.finetune4j.train.optimizer;

import java.util.List;
import java.util.Set;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;

/**
 * Adam (Kingma and Ba 2015), by libtorch's fused kernel. Weight decay is an L2 penalty: {@code g = g + decay * p} before
 * the moments see it; the rest is as in {@link AdamW}.
 */
public final class Adam extends FusedAdamOptimizer {

    /**
     * PyTorch's defaults are 0.9, 0.999 and 1e-8.
     *
     * @param groups every trainable parameter once
     * @param beta1 decay of the first moment
     * @param beta2 decay of the second moment
     * @param epsilon added to the root of the second moment
     */
    public Adam(List<ParameterGroup> groups, double beta1, double beta2, double epsilon) {
        super(groups, beta1, beta2, epsilon);
    }

    @Override
    Tensor effectiveGradient(Tensor value, Tensor gradient, double weightDecay) {
        return weightDecay == 0 ? gradient : gradient.addScaled(value, weightDecay);
    }

    @Override
    double decoupledDecay(double weightDecay) {
        return 0;
    }

    /** Registers the optimizer. */
    public static final class Provider implements OptimizerProvider {

        @Override
        public List<String> names() {
            return List.of("adam");
        }

        @Override
        public boolean isElementwise() {
            return true;
        }

        @Override
        public Optimizer create(List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options) {
            options.allowArguments(Set.of());
            return new Adam(groups, options.beta1(), options.beta2(), options.epsilon());
        }

        @Override
        public long stateBytes(long[] shape, boolean isTable, OptimizerOptions options) {
            return 2 * OptimizerProvider.floatBytes(shape);
        }
    }
}
