package org.finetune4j.train.optimizer;

import java.util.List;
import java.util.Set;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;

/**
 * Lion (Chen et al. 2023): one moment, and every weight moves by the same amount. {@code p -= lr * decay * p;
 * p -= lr * sign(beta1 m + (1 - beta1) g); m = beta2 m + (1 - beta2) g}. It wants a learning rate three to ten times
 * smaller than AdamW's and a weight decay as many times larger.
 */
public final class Lion extends StatefulOptimizer {

    private final double beta1;
    private final double beta2;
    private final ParameterStates moments;

    /**
     * The paper's betas are 0.9 and 0.99.
     *
     * @param groups every trainable parameter once
     * @param beta1 share of the momentum in the step
     * @param beta2 decay of the momentum
     */
    public Lion(List<ParameterGroup> groups, double beta1, double beta2) {
        this(groups, beta1, beta2, new ParameterStates("exp_avg"));
    }

    private Lion(List<ParameterGroup> groups, double beta1, double beta2, ParameterStates moments) {
        super(groups, moments);
        this.beta1 = beta1;
        this.beta2 = beta2;
        this.moments = moments;
    }

    @Override
    void update(Parameter parameter, Tensor value, Tensor gradient, ParameterGroup group, double learningRate) {
        if (group.weightDecay() != 0) {
            value.mulInPlace(1 - learningRate * group.weightDecay());
        }
        Tensor moment = moments.of(parameter);
        Tensor direction =
                moment.mul(beta1).addScaledInPlace(gradient, 1 - beta1).sign();
        value.addScaledInPlace(direction, -learningRate);
        moment.mulInPlace(beta2).addScaledInPlace(gradient, 1 - beta2);
    }

    /** Registers the optimizer. */
    public static final class Provider implements OptimizerProvider {

        @Override
        public List<String> names() {
            return List.of("lion", "lion_32bit");
        }

        @Override
        public boolean isElementwise() {
            return true;
        }

        @Override
        public Optimizer create(List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options) {
            options.allowArguments(Set.of("beta1", "beta2"));
            return new Lion(groups, options.number("beta1", options.beta1()), options.number("beta2", options.beta2()));
        }

        @Override
        public long stateBytes(long[] shape, boolean isTable, OptimizerOptions options) {
            return OptimizerProvider.floatBytes(shape);
        }
    }
}
