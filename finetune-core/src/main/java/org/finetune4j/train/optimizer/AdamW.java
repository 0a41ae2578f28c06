package org.finetune4j.train.optimizer;

import java.util.List;
import java.util.Set;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter 2019), by libtorch's fused kernel. With gradient g, step t:
 *
 * <pre>
 * p = p - lr * decay * p
 * m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
 * p = p - lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
 * </pre>
 */
public final class AdamW extends FusedAdamOptimizer {

    /**
     * PyTorch's defaults are 0.9, 0.999 and 1e-8.
     *
     * @param groups every trainable parameter once
     * @param beta1 decay of the first moment
     * @param beta2 decay of the second moment
     * @param epsilon added to the root of the second moment
     */
    public AdamW(List<ParameterGroup> groups, double beta1, double beta2, double epsilon) {
        super(groups, beta1, beta2, epsilon);
    }

    @Override
    Tensor effectiveGradient(Tensor value, Tensor gradient, double weightDecay) {
        return gradient;
    }

    @Override
    double decoupledDecay(double weightDecay) {
        return weightDecay;
    }

    /** Registers the optimizer. */
    public static final class Provider implements OptimizerProvider {

        @Override
        public List<String> names() {
            return List.of("adamw", "adamw_torch", "adamw_torch_fused");
        }

        @Override
        public boolean isElementwise() {
            return true;
        }

        @Override
        public Optimizer create(List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options) {
            options.allowArguments(Set.of());
            return new AdamW(groups, options.beta1(), options.beta2(), options.epsilon());
        }

        @Override
        public long stateBytes(long[] shape, boolean isTable, OptimizerOptions options) {
            return 2 * OptimizerProvider.floatBytes(shape);
        }
    }
}
