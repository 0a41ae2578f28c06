package org.finetune4j.train.optimizer;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.FusedAdamW;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** The two Adams: both run libtorch's fused kernel, and differ in where the weight decay goes. */
abstract class FusedAdamOptimizer extends StatefulOptimizer {

    /** Bytes of parameters that are updated by one call: gradients that have to be converted for it are few at a time. */
    private static final long TOGETHER = 64 << 20;

    private final double beta1;
    private final double beta2;
    private final double epsilon;
    private final ParameterStates firstMoments;
    private final ParameterStates secondMoments;

    FusedAdamOptimizer(List<ParameterGroup> groups, double beta1, double beta2, double epsilon) {
        this(groups, beta1, beta2, epsilon, new ParameterStates("exp_avg"), new ParameterStates("exp_avg_sq"));
    }

    private FusedAdamOptimizer(
            List<ParameterGroup> groups,
            double beta1,
            double beta2,
            double epsilon,
            ParameterStates firstMoments,
            ParameterStates secondMoments) {
        super(groups, firstMoments, secondMoments);
        this.beta1 = beta1;
        this.beta2 = beta2;
        this.epsilon = epsilon;
        this.firstMoments = firstMoments;
        this.secondMoments = secondMoments;
    }

    /** The gradient that the moments see. */
    abstract Tensor effectiveGradient(Tensor value, Tensor gradient, double weightDecay);

    /** What the weights shrink by apart from the gradient. */
    abstract double decoupledDecay(double weightDecay);

    @Override
    final void step(ParameterGroup group, double learningRate) {
        List<Parameter> together = new ArrayList<>();
        long bytes = 0;
        for (Parameter parameter : group.parameters()) {
            together.add(parameter);
            bytes += parameter.bytes();
            if (bytes >= TOGETHER) {
                step(together, group, learningRate);
                together.clear();
                bytes = 0;
            }
        }
        step(together, group, learningRate);
    }

    private void step(List<Parameter> parameters, ParameterGroup group, double learningRate) {
        List<Tensor> values = new ArrayList<>();
        List<Tensor> gradients = new ArrayList<>();
        List<Tensor> first = new ArrayList<>();
        List<Tensor> second = new ArrayList<>();
        try (TensorScope scope = TensorScope.open()) {
            for (Parameter parameter : parameters) {
                Tensor gradient = parameter.grad();
                if (gradient != null) {
                    values.add(parameter.local());
                    gradients.add(effectiveGradient(parameter.local(), gradient.contiguous(), group.weightDecay()));
                    first.add(firstMoments.of(parameter));
                    second.add(secondMoments.of(parameter));
                }
            }
            FusedAdamW.step(
                    values,
                    gradients,
                    first,
                    second,
                    steps(),
                    learningRate,
                    beta1,
                    beta2,
                    decoupledDecay(group.weightDecay()),
                    epsilon);
        }
        used(parameters);
    }

    @Override
    final void update(Parameter parameter, Tensor value, Tensor gradient, ParameterGroup group, double learningRate) {
        throw new IllegalStateException("Adam updates whole groups");
    }
}
