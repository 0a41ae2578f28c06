package org.finetune4j.train.optimizer;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.FusedAdamW;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter 2019), by libtorch's fused kernel. With gradient g, step t:
 *
 * <pre>
 * p = p - lr * decay * p
 * m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
 * p = p - lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
 * </pre>
 */
public final class AdamW implements Optimizer {

    private static final String STEP = "step";

    private final List<ParameterGroup> groups;
    private final double beta1;
    private final double beta2;
    private final double epsilon;
    private final ParameterStates firstMoments = new ParameterStates("exp_avg");
    private final ParameterStates secondMoments = new ParameterStates("exp_avg_sq");
    private long steps;

    /** PyTorch's defaults are 0.9, 0.999 and 1e-8. */
    public AdamW(List<ParameterGroup> groups, double beta1, double beta2, double epsilon) {
        this.groups = List.copyOf(groups);
        this.beta1 = beta1;
        this.beta2 = beta2;
        this.epsilon = epsilon;
    }

    @Override
    public void step(double learningRate) {
        steps++;
        for (ParameterGroup group : groups) {
            try (TensorScope scope = TensorScope.open()) {
                step(group, learningRate * group.learningRateFactor());
            }
        }
    }

    private void step(ParameterGroup group, double learningRate) {
        List<Tensor> values = new ArrayList<>();
        List<Tensor> gradients = new ArrayList<>();
        List<Tensor> first = new ArrayList<>();
        List<Tensor> second = new ArrayList<>();
        for (Parameter parameter : group.parameters()) {
            Tensor gradient = parameter.grad();
            if (gradient != null) {
                values.add(parameter.value());
                gradients.add(gradient.contiguous());
                first.add(firstMoments.of(parameter));
                second.add(secondMoments.of(parameter));
            }
        }
        FusedAdamW.step(
                values, gradients, first, second, steps, learningRate, beta1, beta2, group.weightDecay(), epsilon);
    }

    @Override
    public void clearGradients() {
        groups.forEach(group -> group.parameters().forEach(Parameter::clearGrad));
    }

    @Override
    public Map<String, Tensor> state() {
        Map<String, Tensor> saved = ParameterStates.ordered();
        saved.put(STEP, Tensors.of(new long[] {steps}, 1));
        for (ParameterGroup group : groups) {
            firstMoments.saveTo(saved, group.parameters());
            secondMoments.saveTo(saved, group.parameters());
        }
        return saved;
    }

    @Override
    public void restore(Map<String, Tensor> state) {
        Tensor step = state.get(STEP);
        steps = step == null ? 0 : step.toLongArray()[0];
        for (ParameterGroup group : groups) {
            firstMoments.restore(state, group.parameters());
            secondMoments.restore(state, group.parameters());
        }
    }

    @Override
    public void close() {
        firstMoments.close();
        secondMoments.close();
    }
}
