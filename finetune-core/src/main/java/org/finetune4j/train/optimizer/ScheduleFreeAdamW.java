package org.finetune4j.train.optimizer;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * Schedule-Free AdamW (Defazio et al. 2024, arXiv:2405.15682): in place of a schedule that must know how long a run will be, the weights x
 * that are evaluated and kept are an average of the weights z that take the steps, and gradients are those at y between the two. With
 * gradient g at y, step t:
 *
 * <pre>
 * v = beta2 v + (1 - beta2) g^2,   d = g / (sqrt(v / (1 - beta2^t)) + epsilon) + decay * y
 * c = w / (sum of all w so far),   w = t^r * (largest lr so far)^power
 * z = z - lr * d,   x = (1 - c) x + c z,   y = (1 - beta1) z + beta1 x
 * </pre>
 *
 * <p>The parameter holds y while it trains, and x follows from y and z.
 */
public final class ScheduleFreeAdamW extends StatefulOptimizer {

    private static final String AVERAGE = "schedule_free";

    private final double beta1;
    private final double beta2;
    private final double epsilon;
    private final double power;
    private final double exponent;
    private final ParameterStates stepped;
    private final ParameterStates squares;

    /** The trained values, while those to evaluate stand in their place. */
    private final Map<Parameter, Tensor> trained = new LinkedHashMap<>();

    private double largestRate;
    private double weightSum;
    private double share;

    private ScheduleFreeAdamW(
            List<ParameterGroup> groups, OptimizerOptions options, ParameterStates stepped, ParameterStates squares) {
        super(groups, stepped, squares);
        this.beta1 = options.beta1();
        this.beta2 = options.beta2();
        this.epsilon = options.epsilon();
        this.power = options.number(Provider.POWER, 2);
        this.exponent = options.number(Provider.EXPONENT, 0);
        this.stepped = stepped;
        this.squares = squares;
    }

    @Override
    void begin(double learningRate) {
        if (!trained.isEmpty()) {
            throw new IllegalStateException("a step while the weights to evaluate are in place");
        }
        // A group's factor multiplies every step's weight by the same number, so that the share is that of all groups.
        largestRate = Math.max(largestRate, learningRate);
        double weight = Math.pow((double) steps(), exponent) * Math.pow(largestRate, power);
        weightSum += weight;
        share = weightSum > 0 ? weight / weightSum : 0;
    }

    @Override
    void update(Parameter parameter, Tensor value, Tensor gradient, ParameterGroup group, double learningRate) {
        boolean first = !stepped.has(parameter);
        Tensor z = stepped.of(parameter);
        if (first) {
            z.copyInPlace(value);
        }
        Tensor square = squares.of(parameter).mulInPlace(beta2).addScaledInPlace(gradient.square(), 1 - beta2);
        double corrected = 1 / Math.sqrt(1 - Math.pow(beta2, (double) steps()));
        Tensor direction = gradient.div(square.sqrt().mulInPlace(corrected).addInPlace(epsilon));
        if (group.weightDecay() != 0) {
            direction.addScaledInPlace(value, group.weightDecay());
        }
        // y of the new z and x, without x: both moves in one.
        value.mulInPlace(1 - share)
                .addScaledInPlace(z, share)
                .addScaledInPlace(direction, learningRate * (beta1 * (1 - share) - 1));
        z.addScaledInPlace(direction, -learningRate);
    }

    @Override
    public boolean averagesWeights() {
        return true;
    }

    @Override
    public void swapEvaluationWeights() {
        boolean back = !trained.isEmpty();
        each((parameter, value) -> {
            if (back) {
                Tensor kept = trained.remove(parameter);
                if (kept != null) {
                    value.copyInPlace(kept);
                    kept.close();
                }
            } else if (stepped.has(parameter)) {
                trained.put(parameter, value.copy().unscoped());
                value.addScaledInPlace(stepped.of(parameter), beta1 - 1).mulInPlace(1 / beta1); // x
            }
        });
    }

    private void each(BiConsumer<Parameter, Tensor> action) {
        try (Autograd.Mode mode = Autograd.disabled()) {
            for (ParameterGroup group : groups()) {
                for (Parameter parameter : group.parameters()) {
                    try (TensorScope scope = TensorScope.open()) {
                        action.accept(parameter, parameter.local().detach());
                    }
                }
            }
        }
    }

    @Override
    Map<String, Tensor> ownState() {
        return Map.of(AVERAGE, Tensors.of(new double[] {largestRate, weightSum}, 2));
    }

    @Override
    void restoreOwn(Map<String, Tensor> state) {
        Tensor saved = state.get(AVERAGE);
        if (saved != null) {
            if (saved.numel() != 2) {
                throw new UserErrorException(
                        "optimizer state '" + AVERAGE + "' has " + saved.numel() + " numbers, expected 2");
            }
            double[] numbers = saved.toDoubleArray();
            largestRate = numbers[0];
            weightSum = numbers[1];
        }
    }

    @Override
    public void close() {
        trained.values().forEach(Tensor::close);
        trained.clear();
        super.close();
    }

    /** Registers the optimizer. */
    public static final class Provider implements OptimizerProvider {

        static final String POWER = "weight_lr_power";
        static final String EXPONENT = "r";

        @Override
        public List<String> names() {
            return List.of("schedule_free_adamw");
        }

        @Override
        public Optimizer create(List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options) {
            options.allowArguments(Set.of(POWER, EXPONENT));
            if (options.beta1() <= 0) {
                throw new UserErrorException("optim schedule_free_adamw needs an adam_beta1 above 0, which is what the"
                        + " average counts for where gradients are taken; it is " + options.beta1());
            }
            return new ScheduleFreeAdamW(groups, options, new ParameterStates("z"), new ParameterStates("exp_avg_sq"));
        }

        @Override
        public boolean isElementwise() {
            return true;
        }

        @Override
        public long stateBytes(long[] shape, boolean isTable, OptimizerOptions options) {
            return 2 * OptimizerProvider.floatBytes(shape);
        }
    }
}
