package org.finetune4j.train.optimizer;

import java.util.List;
import java.util.Set;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;

/**
 * RMSprop (Tieleman and Hinton 2012), PyTorch's formula: {@code g += decay * p; v = alpha v + (1 - alpha) g^2;
 * u = g / (sqrt(v) + epsilon)}, then {@code p -= lr * u}, or with momentum {@code b = momentum * b + u; p -= lr * b}.
 * Alpha is 0.99 and epsilon 1e-8 unless {@code optim_args} says otherwise.
 */
public final class RmsProp extends StatefulOptimizer {

    private final double alpha;
    private final double epsilon;
    private final double momentum;
    private final ParameterStates squares;
    private final ParameterStates buffers;

    /**
     * Steps divided by a moving root mean square.
     *
     * @param groups every trainable parameter once
     * @param alpha decay of the mean square
     * @param epsilon added to the root of the mean square
     * @param momentum 0 for none
     */
    public RmsProp(List<ParameterGroup> groups, double alpha, double epsilon, double momentum) {
        this(
                groups,
                alpha,
                epsilon,
                momentum,
                new ParameterStates("square_avg"),
                new ParameterStates("momentum_buffer"));
    }

    private RmsProp(
            List<ParameterGroup> groups,
            double alpha,
            double epsilon,
            double momentum,
            ParameterStates squares,
            ParameterStates buffers) {
        super(groups, squares, buffers);
        this.alpha = alpha;
        this.epsilon = epsilon;
        this.momentum = momentum;
        this.squares = squares;
        this.buffers = buffers;
    }

    @Override
    void update(Parameter parameter, Tensor value, Tensor gradient, ParameterGroup group, double learningRate) {
        double decay = group.weightDecay();
        Tensor g = decay == 0 ? gradient : gradient.addScaled(value, decay);
        Tensor square = squares.of(parameter).mulInPlace(alpha).addScaledInPlace(g.square(), 1 - alpha);
        Tensor direction = g.div(square.sqrt().addInPlace(epsilon));
        if (momentum != 0) {
            direction = buffers.of(parameter).mulInPlace(momentum).addInPlace(direction);
        }
        value.addScaledInPlace(direction, -learningRate);
    }

    /** Registers the optimizer. */
    public static final class Provider implements OptimizerProvider {

        @Override
        public List<String> names() {
            return List.of("rmsprop");
        }

        @Override
        public boolean isElementwise() {
            return true;
        }

        @Override
        public Optimizer create(List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options) {
            options.allowArguments(Set.of("alpha", "eps", "momentum"));
            return new RmsProp(
                    groups,
                    options.number("alpha", 0.99),
                    options.number("eps", 1e-8),
                    options.number("momentum", options.momentum()));
        }

        @Override
        public long stateBytes(long[] shape, boolean isTable, OptimizerOptions options) {
            boolean hasMomentum = options.number("momentum", options.momentum()) != 0;
            return (hasMomentum ? 2 : 1) * OptimizerProvider.floatBytes(shape);
        }
    }
}
