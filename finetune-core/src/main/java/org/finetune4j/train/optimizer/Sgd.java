package org.finetune4j.train.optimizer;

import java.util.List;
import java.util.Map;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/**
 * Stochastic gradient descent with momentum, PyTorch's formula: {@code g += decay * p; b = momentum * b + g (b = g in the
 * first step); p -= lr * b}.
 */
public final class Sgd implements Optimizer {

    private final List<ParameterGroup> groups;
    private final double momentum;
    private final ParameterStates buffers = new ParameterStates("momentum_buffer");

    /** @param momentum 0 for none */
    public Sgd(List<ParameterGroup> groups, double momentum) {
        this.groups = List.copyOf(groups);
        this.momentum = momentum;
    }

    @Override
    public void step(double learningRate) {
        try (Autograd.Mode mode = Autograd.disabled()) {
            for (ParameterGroup group : groups) {
                for (Parameter parameter : group.parameters()) {
                    try (TensorScope scope = TensorScope.open()) {
                        step(parameter, group.weightDecay(), learningRate * group.learningRateFactor());
                    }
                }
            }
        }
    }

    private void step(Parameter parameter, double weightDecay, double learningRate) {
        Tensor gradient = parameter.grad();
        if (gradient == null) {
            return;
        }
        Tensor value = parameter.value().detach();
        Tensor direction = weightDecay == 0 ? gradient : gradient.addScaled(value, weightDecay);
        if (momentum != 0) {
            // A buffer of zeros gives b = g in the first step, as PyTorch does.
            direction = buffers.of(parameter).mulInPlace(momentum).addInPlace(direction);
        }
        value.addScaledInPlace(direction, -learningRate);
    }

    @Override
    public void clearGradients() {
        groups.forEach(group -> group.parameters().forEach(Parameter::clearGrad));
    }

    @Override
    public Map<String, Tensor> state() {
        Map<String, Tensor> saved = ParameterStates.ordered();
        groups.forEach(group -> buffers.saveTo(saved, group.parameters()));
        return saved;
    }

    @Override
    public void restore(Map<String, Tensor> state) {
        groups.forEach(group -> buffers.restore(state, group.parameters()));
    }

    @Override
    public void close() {
        buffers.close();
    }
}
