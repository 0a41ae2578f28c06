package org.finetune4j.train.optimizer;

import java.util.List;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;

/**
 * Adam-mini (Zhang et al. 2024, arXiv:2406.16793): one second moment for a block of weights in place of one for each. Blocks are the
 * rows of a matrix (output neurons, tokens of a table), whole vectors of norms, and for query and key projections as many rows as a
 * head has, if {@code head_dim} tells; biases have their own for every number.
 *
 * <pre>
 * p = p - lr * decay * p
 * m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) mean(g^2 of the block)
 * p = p - lr * m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
 * </pre>
 */
public final class AdamMini extends StatefulOptimizer {

    private static final List<String> QUERIES_AND_KEYS = List.of("q_proj", "k_proj", "query", "key");

    private final double beta1;
    private final double beta2;
    private final double epsilon;
    private final int headDim;
    private final ParameterStates moments;
    private final ParameterStates squares;
    private final ParameterStates headSquares;
    private final ParameterStates wholeSquares;
    private final ParameterStates biasSquares;

    private AdamMini(List<ParameterGroup> groups, OptimizerOptions options, int headDim) {
        this(
                groups,
                options,
                headDim,
                new ParameterStates("exp_avg"),
                new ParameterStates("row_exp_avg_sq", shape -> new long[] {shape[0], 1}),
                new ParameterStates("head_exp_avg_sq", shape -> new long[] {shape[0] / Math.max(1, headDim), 1}),
                new ParameterStates("block_exp_avg_sq", shape -> new long[] {1}),
                new ParameterStates("exp_avg_sq"));
    }

    private AdamMini(
            List<ParameterGroup> groups,
            OptimizerOptions options,
            int headDim,
            ParameterStates moments,
            ParameterStates squares,
            ParameterStates headSquares,
            ParameterStates wholeSquares,
            ParameterStates biasSquares) {
        super(groups, moments, squares, headSquares, wholeSquares, biasSquares);
        this.beta1 = options.beta1();
        this.beta2 = options.beta2();
        this.epsilon = options.epsilon();
        this.headDim = headDim;
        this.moments = moments;
        this.squares = squares;
        this.headSquares = headSquares;
        this.wholeSquares = wholeSquares;
        this.biasSquares = biasSquares;
    }

    @Override
    void update(Parameter parameter, Tensor value, Tensor gradient, ParameterGroup group, double learningRate) {
        if (group.weightDecay() != 0) {
            value.mulInPlace(1 - learningRate * group.weightDecay());
        }
        Tensor moment = moments.of(parameter).mulInPlace(beta1).addScaledInPlace(gradient, 1 - beta1);
        Tensor square = square(parameter, gradient);
        double corrected = 1 / Math.sqrt(1 - Math.pow(beta2, (double) steps()));
        Tensor root = square.sqrt().mulInPlace(corrected).addInPlace(epsilon);
        Tensor blocks = square.shape().length == 2 ? moment.reshape(square.size(0), -1) : moment;
        value.addScaledInPlace(
                blocks.div(root).reshape(value.shape()), -learningRate / (1 - Math.pow(beta1, (double) steps())));
    }

    /** The second moment after this step, in a shape that the blocks of the first one can be divided by. */
    private Tensor square(Parameter parameter, Tensor gradient) {
        boolean isMatrix = gradient.shape().length == 2;
        if (isMatrix && ofHeads(parameter, gradient)) {
            return averaged(
                    headSquares.of(parameter),
                    gradient.reshape(gradient.size(0) / headDim, -1).square().mean(1, true));
        }
        if (isMatrix) {
            return averaged(squares.of(parameter), gradient.square().mean(1, true));
        }
        if (parameter.name().endsWith("bias")) {
            return averaged(biasSquares.of(parameter), gradient.square());
        }
        return averaged(wholeSquares.of(parameter), gradient.square().mean().reshape(1));
    }

    private boolean ofHeads(Parameter parameter, Tensor gradient) {
        return headDim > 0
                && gradient.size(0) % headDim == 0
                && QUERIES_AND_KEYS.stream().anyMatch(parameter.name()::contains);
    }

    private Tensor averaged(Tensor square, Tensor now) {
        return square.mulInPlace(beta2).addScaledInPlace(now, 1 - beta2);
    }

    /** Registers the optimizer. */
    public static final class Provider implements OptimizerProvider {

        private static final String HEAD_DIM = "head_dim";

        @Override
        public List<String> names() {
            return List.of("adam_mini");
        }

        @Override
        public Optimizer create(List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options) {
            options.allowArguments(Set.of(HEAD_DIM));
            for (ParameterGroup group : groups) {
                for (Parameter parameter : group.parameters()) {
                    if (parameter.local().shape().length != parameter.shape().length) {
                        throw new UserErrorException("optim adam_mini needs whole rows, but '" + parameter.name()
                                + "' is sharded: choose adamw");
                    }
                }
            }
            double headDim = options.number(HEAD_DIM, 0);
            if (headDim < 0 || headDim != Math.rint(headDim)) {
                throw new UserErrorException("optim_args: '" + HEAD_DIM + "' is " + headDim
                        + ", expected how many rows of a query or key projection a head has");
            }
            return new AdamMini(groups, options, (int) headDim);
        }

        @Override
        public long stateBytes(long[] shape, boolean isTable, OptimizerOptions options) {
            long blocks = shape.length == 2 ? shape[0] : 1;
            return OptimizerProvider.floatBytes(shape) + OptimizerProvider.floatBytes(blocks);
        }
    }
}
