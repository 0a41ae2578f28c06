package org.finetune4j.train.optimizer;

import java.util.Collection;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** Clipping of gradients by their global norm (Pascanu et al. 2013). */
public final class GradientClipping {

    private GradientClipping() {}

    /**
     * {@return the L2 norm of all gradients together, as float64}
     *
     * @param parameters those without a gradient are passed over
     */
    public static double globalNorm(Collection<Parameter> parameters) {
        double squares = 0;
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            for (Parameter parameter : parameters) {
                Tensor gradient = parameter.grad();
                if (gradient != null) {
                    double norm = gradient.norm().item();
                    squares += norm * norm;
                }
            }
        }
        return Math.sqrt(squares);
    }

    /**
     * Scales all gradients by {@code min(1, maxNorm / (norm + 1e-6))}.
     *
     * @param parameters those without a gradient are passed over
     * @param maxNorm the largest norm allowed; infinity for no clipping
     * @return the norm before clipping
     */
    public static double clip(Collection<Parameter> parameters, double maxNorm) {
        double norm = globalNorm(parameters);
        scaleDown(parameters, norm, maxNorm);
        return norm;
    }

    /**
     * Scales all gradients, whose norm is known, by {@code min(1, maxNorm / (norm + 1e-6))}.
     *
     * @param parameters those without a gradient are passed over
     * @param norm of all gradients together
     * @param maxNorm the largest norm allowed; infinity for no clipping
     */
    public static void scaleDown(Collection<Parameter> parameters, double norm, double maxNorm) {
        double factor = maxNorm / (norm + 1e-6);
        if (factor < 1) {
            try (Autograd.Mode mode = Autograd.disabled();
                    TensorScope scope = TensorScope.open()) {
                for (Parameter parameter : parameters) {
                    Tensor gradient = parameter.grad();
                    if (gradient != null) {
                        gradient.mulInPlace(factor);
                    }
                }
            }
        }
    }
}
