package org.finetune4j.peft.continual;

import java.util.Map;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * {@code lambda / 2 * sum_i w_i (theta_i - theta*_i)^2}: EWC with the Fisher information as w, distance to the start with ones. Its
 * gradient is {@code lambda * w_i (theta_i - theta*_i)}.
 */
final class QuadraticPenalty implements ParameterPenalty {

    private final double lambda;
    private final Map<String, Parameter> parameters;
    private final Anchor center;
    private final @Nullable Anchor weights;

    /** @param weights of the parameters, or null for ones; closed with this, as the center is */
    QuadraticPenalty(double lambda, Adapter adapter, Anchor center, @Nullable Anchor weights) {
        this.lambda = lambda;
        this.parameters = Anchor.trained(adapter);
        this.center = center;
        this.weights = weights;
    }

    @Override
    public double add(boolean addGradients) {
        double[] sum = {0};
        parameters.forEach((key, parameter) -> {
            try (TensorScope scope = TensorScope.open();
                    Autograd.Mode mode = Autograd.disabled()) {
                Tensor distance = parameter.value().detach().to(DType.FLOAT32).sub(center.get(key));
                Tensor weighted = weights == null ? distance : distance.mul(weights.get(key));
                sum[0] += weighted.mul(distance).sum().item();
                if (addGradients) {
                    parameter.addGradient(
                            weighted.mul(lambda).to(parameter.value().dtype()));
                }
            }
        });
        return lambda / 2 * sum[0];
    }

    @Override
    public void close() {
        center.close();
        if (weights != null) {
            weights.close();
        }
    }
}
