package org.finetune4j.model.fused;

import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Arena;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.OutVariants;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Adds to the gradients of parameters that train; others are left alone. A sharded parameter's gradient is, while its layer runs, that
 * of the whole. A new gradient lies where the arena has room: where a layer that has gone back kept what it needed for that.
 */
final class Gradient {

    private Gradient() {}

    /** Adds {@code scale * left x right}, written straight to where the gradient is. */
    static void add(Parameter parameter, Tensor left, Tensor right, double scale, Arena arena) {
        if (!parameter.isTrainable()) {
            return;
        }
        Tensor present = parameter.value().grad();
        if (present != null) {
            OutVariants.addProduct(present, 1, left, right, scale);
            return;
        }
        Tensor product = room(parameter, arena);
        OutVariants.product(product, left, right, scale);
        parameter.addGradient(product);
    }

    /** Adds a gradient, which stays the caller's. */
    static void add(Parameter parameter, Tensor gradient, Arena arena) {
        Tensor present = parameter.value().grad();
        if (present != null) {
            present.addInPlace(gradient);
        } else {
            parameter.addGradient(room(parameter, arena).copyInPlace(gradient));
        }
    }

    private static Tensor room(Parameter parameter, Arena arena) {
        boolean exact = parameter.dtype() == DType.FLOAT32 && parameter.device().equals(Device.CPU);
        Tensor room = exact ? arena.lasting(parameter.shape()) : null;
        return room == null ? Tensors.empty(parameter.dtype(), parameter.device(), parameter.shape()) : room;
    }

    /** Adds a multiple of the sum of some rows. */
    static void addSum(@Nullable Parameter parameter, Tensor rows, double factor) {
        if (parameter != null && parameter.isTrainable()) {
            Tensor sum = rows.sum(0, false);
            parameter.addGradient(factor == 1 ? sum : sum.mulInPlace(factor));
        }
    }
}
