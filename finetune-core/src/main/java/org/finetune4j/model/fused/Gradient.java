package org.finetune4j.model.fused;

import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.OutVariants;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Adds to the gradients of parameters that train; others are left alone. A sharded parameter's gradient is, while its layer runs, that
 * of the whole.
 */
final class Gradient {

    private Gradient() {}

    /** Adds {@code scale * left x right}, written straight to where the gradient is. */
    static void add(Parameter parameter, Tensor left, Tensor right, double scale) {
        if (!parameter.isTrainable()) {
            return;
        }
        Tensor present = parameter.value().grad();
        if (present != null) {
            OutVariants.addProduct(present, 1, left, right, scale);
            return;
        }
        Tensor product = Tensors.empty(parameter.dtype(), parameter.device(), parameter.shape());
        OutVariants.product(product, left, right, scale);
        parameter.addGradient(product);
    }

    /** Adds a gradient, which stays the caller's. */
    static void add(Parameter parameter, Tensor gradient) {
        Tensor present = parameter.value().grad();
        if (present != null) {
            present.addInPlace(gradient);
        } else {
            parameter.addGradient(Tensors.empty(parameter.dtype(), parameter.device(), parameter.shape())
                    .copyInPlace(gradient));
        }
    }

    /** Adds a multiple of the sum of some rows. */
    static void addSum(@Nullable Parameter parameter, Tensor rows, double factor) {
        if (parameter != null && parameter.isTrainable()) {
            Tensor sum = rows.sum(0, false);
            parameter.addGradient(factor == 1 ? sum : sum.mulInPlace(factor));
        }
    }
}
