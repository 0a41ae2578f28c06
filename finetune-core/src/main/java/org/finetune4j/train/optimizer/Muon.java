package org.finetune4j.train.optimizer;

import java.util.List;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;

/**
 * Muon (Jordan et al. 2024) for matrices: the momentum is replaced by the nearest orthogonal matrix, so that all its
 * directions move alike. With Nesterov's momentum, as PyTorch has it:
 *
 * <pre>
 * b = momentum * b + (1 - momentum) g;   u = orthogonal((1 - momentum) g + momentum * b)
 * p = p - lr * decay * p - lr * scale * u
 * </pre>
 *
 * Scale is {@code sqrt(max(1, rows / columns))}, or {@code 0.2 sqrt(max(rows, columns))}, with which AdamW's learning
 * rates fit (Liu et al. 2025). The orthogonal matrix is found by five steps of a Newton-Schulz iteration in the
 * parameter's own dtype: bfloat16, which others use on GPUs, is slow on CPUs and no better.
 */
public final class Muon extends StatefulOptimizer {

    private static final double[] COEFFICIENTS = {3.4445, -4.775, 2.0315};
    private static final int ITERATIONS = 5;
    private static final double SMALLEST_NORM = 1e-7;

    private final double momentum;
    private final boolean nesterov;
    private final boolean matchAdamW;
    private final ParameterStates buffers;

    /**
     * An optimizer of matrices.
     *
     * @param groups of matrices only
     * @param momentum decay of the momentum
     * @param nesterov whether the momentum is Nesterov's
     * @param matchAdamW whether steps are scaled to those of AdamW
     */
    public Muon(List<ParameterGroup> groups, double momentum, boolean nesterov, boolean matchAdamW) {
        this(groups, momentum, nesterov, matchAdamW, new ParameterStates("momentum_buffer"));
    }

    private Muon(
            List<ParameterGroup> groups,
            double momentum,
            boolean nesterov,
            boolean matchAdamW,
            ParameterStates buffers) {
        super(groups, buffers);
        this.momentum = momentum;
        this.nesterov = nesterov;
        this.matchAdamW = matchAdamW;
        this.buffers = buffers;
    }

    @Override
    void update(Parameter parameter, Tensor value, Tensor gradient, ParameterGroup group, double learningRate) {
        Tensor buffer = buffers.of(parameter).mulInPlace(momentum).addScaledInPlace(gradient, 1 - momentum);
        Tensor direction = nesterov ? gradient.mul(1 - momentum).addScaledInPlace(buffer, momentum) : buffer;
        double rows = value.size(0);
        double columns = value.size(1);
        double scale = matchAdamW ? 0.2 * Math.sqrt(Math.max(rows, columns)) : Math.sqrt(Math.max(1, rows / columns));
        if (group.weightDecay() != 0) {
            value.mulInPlace(1 - learningRate * group.weightDecay());
        }
        value.addScaledInPlace(orthogonal(direction), -learningRate * scale);
    }

    /** A matrix of the same singular vectors, with singular values between about 0.7 and 1.2. */
    static Tensor orthogonal(Tensor matrix) {
        boolean tall = matrix.size(0) > matrix.size(1);
        Tensor x = tall ? matrix.t() : matrix; // [short, long]
        x = x.div(Math.max(SMALLEST_NORM, x.norm().item()));
        for (int i = 0; i < ITERATIONS; i++) {
            Tensor gram = x.mm(x.t()); // [short, short]
            Tensor polynomial = gram.mul(COEFFICIENTS[1]).addMatrixProductInPlace(gram, gram, COEFFICIENTS[2]);
            x = x.mul(COEFFICIENTS[0]).addMatrixProductInPlace(polynomial, x, 1);
        }
        return tall ? x.t() : x;
    }
}
