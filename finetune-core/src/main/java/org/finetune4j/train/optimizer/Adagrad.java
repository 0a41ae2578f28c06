package org.finetune4j.train.optimizer;

import java.util.List;
import java.util.Set;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;

/**
 * Adagrad (Duchi et al. 2011), PyTorch's formula: {@code g += decay * p; s += g^2; p -= lr * g / (sqrt(s) + epsilon)},
 * with epsilon 1e-10 unless {@code optim_args} says otherwise.
 */
public final class Adagrad extends StatefulOptimizer {

    private final double epsilon;
    private final ParameterStates sums;

    /**
     * Steps divided by the root of all squares so far.
     *
     * @param groups every trainable parameter once
     * @param epsilon added to the root of the sum of squares
     */
    public Adagrad(List<ParameterGroup> groups, double epsilon) {
        this(groups, epsilon, new ParameterStates("sum"));
    }

    private Adagrad(List<ParameterGroup> groups, double epsilon, ParameterStates sums) {
        super(groups, sums);
        this.epsilon = epsilon;
        this.sums = sums;
    }

    @Override
    void update(Parameter parameter, Tensor value, Tensor gradient, ParameterGroup group, double learningRate) {
        double decay = group.weightDecay();
        Tensor g = decay == 0 ? gradient : gradient.addScaled(value, decay);
        Tensor sum = sums.of(parameter).addInPlace(g.square());
        value.addScaledInPlace(g.div(sum.sqrt().addInPlace(epsilon)), -learningRate);
    }

    /** Registers the optimizer. */
    public static final class Provider implements OptimizerProvider {

        @Override
        public List<String> names() {
            return List.of("adagrad");
        }

        @Override
        public boolean isElementwise() {
            return true;
        }

        @Override
        public Optimizer create(List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options) {
            options.allowArguments(Set.of("eps"));
            return new Adagrad(groups, options.number("eps", 1e-10));
        }

        @Override
        public long stateBytes(long[] shape, boolean isTable, OptimizerOptions options) {
            return OptimizerProvider.floatBytes(shape);
        }
    }
}
