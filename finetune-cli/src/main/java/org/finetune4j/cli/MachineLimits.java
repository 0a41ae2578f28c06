package org.finetune4j.cli;

import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * What this machine can do.
 *
 * @param operations floating-point operations a second in matrix products
 * @param bytes read and written a second by a copy
 */
record MachineLimits(double operations, double bytes) {

    private static final int ROUNDS = 5;

    /** Measures copies of more memory than caches hold. */
    static double copyRate() {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor from = Tensors.full(1, DType.FLOAT32, Device.CPU, 32L << 20);
            Tensor to = Tensors.zeros(DType.FLOAT32, Device.CPU, 32L << 20);
            double best = Double.MAX_VALUE;
            for (int round = 0; round < ROUNDS; round++) {
                long start = System.nanoTime();
                to.copyInPlace(from);
                best = Math.min(best, (System.nanoTime() - start) / 1e9);
            }
            return 2.0 * from.numel() * Float.BYTES / best;
        }
    }
}
