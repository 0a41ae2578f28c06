package org.finetune4j.train.optimizer;

import java.util.List;
import java.util.Set;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;

/**
 * Stochastic gradient descent with momentum, PyTorch's formula: {@code g += decay * p; b = momentum * b + g (b = g in the
 * first step); p -= lr * b}. With Nesterov's momentum (Sutskever et al. 2013) {@code p -= lr * (g + momentum * b)}.
 */
public final class Sgd extends StatefulOptimizer {

    private final double momentum;
    private final boolean nesterov;
    private final ParameterStates buffers;

    /**
     * Stochastic gradient descent.
     *
     * @param groups every trainable parameter once
     * @param momentum 0 for none
     * @param nesterov whether the momentum is Nesterov's
     */
    public Sgd(List<ParameterGroup> groups, double momentum, boolean nesterov) {
        this(groups, momentum, nesterov, new ParameterStates("momentum_buffer"));
    }

    private Sgd(List<ParameterGroup> groups, double momentum, boolean nesterov, ParameterStates buffers) {
        super(groups, buffers);
        this.momentum = momentum;
        this.nesterov = nesterov;
        this.buffers = buffers;
    }

    @Override
    void update(Parameter parameter, Tensor value, Tensor gradient, ParameterGroup group, double learningRate) {
        double decay = group.weightDecay();
        Tensor direction = decay == 0 ? gradient : gradient.addScaled(value, decay);
        if (momentum != 0) {
            // A buffer of zeros gives b = g in the first step, as PyTorch does.
            Tensor buffer = buffers.of(parameter).mulInPlace(momentum).addInPlace(direction);
            direction = nesterov ? direction.addScaled(buffer, momentum) : buffer;
        }
        value.addScaledInPlace(direction, -learningRate);
    }

    /** Registers the optimizer. */
    public static final class Provider implements OptimizerProvider {

        @Override
        public List<String> names() {
            return List.of("sgd");
        }

        @Override
        public boolean isElementwise() {
            return true;
        }

        @Override
        public Optimizer create(List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options) {
            options.allowArguments(Set.of("momentum", "nesterov"));
            return new Sgd(groups, options.number("momentum", options.momentum()), options.flag("nesterov", false));
        }

        @Override
        public long stateBytes(long[] shape, boolean isTable, OptimizerOptions options) {
            return options.number("momentum", options.momentum()) == 0 ? 0 : OptimizerProvider.floatBytes(shape);
        }
    }
}
