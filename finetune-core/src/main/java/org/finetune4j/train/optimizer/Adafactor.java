package org.finetune4j.train.optimizer;

import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Adafactor (Shazeer and Stern 2018) with transformers' formulas and defaults: the second moment of a matrix is kept as
 * one value a row and one a column. With {@code d2 = 1 - t^decayRate}:
 *
 * <pre>
 * R = d2 R + (1 - d2) mean over columns of (g^2 + eps1),   C likewise over rows
 * u = g / sqrt(R C / mean(R));   u = u / max(1, rms(u) / clipThreshold)
 * p = p - decay * a * p - a * u,   a = the learning rate, or max(eps2, rms(p)) * min(1e-2, 1 / sqrt(t))
 * </pre>
 */
public final class Adafactor extends StatefulOptimizer {

    /**
     * The settings.
     *
     * @param epsilon1 added to the squared gradient
     * @param epsilon2 the least size of a parameter that scales its step
     * @param clipThreshold the largest root mean square of an update
     * @param decayRate of the second moment's decay, negative
     * @param beta1 decay of the first moment, or null to do without
     * @param scaleParameter whether steps are in proportion to the parameter's root mean square
     * @param relativeStep whether the step size follows from the number of the step, not from the schedule
     * @param warmupInit with {@code relativeStep}: start at {@code 1e-6 * t}
     */
    public record Options(
            double epsilon1,
            double epsilon2,
            double clipThreshold,
            double decayRate,
            @Nullable Double beta1,
            boolean scaleParameter,
            boolean relativeStep,
            boolean warmupInit) {

        /** {@return what transformers' Trainer uses: the schedule's learning rate as it is} */
        public static Options defaults() {
            return new Options(1e-30, 1e-3, 1, -0.8, null, false, false, false);
        }
    }

    private final Options options;
    private final ParameterStates rows;
    private final ParameterStates columns;
    private final ParameterStates full;
    private final ParameterStates first;

    /**
     * An optimizer with the given settings.
     *
     * @param groups every trainable parameter once
     * @param options its settings
     */
    public Adafactor(List<ParameterGroup> groups, Options options) {
        this(
                groups,
                options,
                new ParameterStates("exp_avg_sq_row", shape -> Arrays.copyOf(shape, shape.length - 1)),
                new ParameterStates("exp_avg_sq_col", Adafactor::columnShape),
                new ParameterStates("exp_avg_sq"),
                new ParameterStates("exp_avg"));
    }

    private Adafactor(
            List<ParameterGroup> groups,
            Options options,
            ParameterStates rows,
            ParameterStates columns,
            ParameterStates full,
            ParameterStates first) {
        super(groups, rows, columns, full, first);
        this.options = options;
        this.rows = rows;
        this.columns = columns;
        this.full = full;
        this.first = first;
    }

    private static long[] columnShape(long[] shape) {
        if (shape.length < 2) {
            return shape;
        }
        long[] columns = Arrays.copyOf(shape, shape.length - 1);
        columns[columns.length - 1] = shape[shape.length - 1];
        return columns;
    }

    @Override
    void update(Parameter parameter, Tensor value, Tensor gradient, ParameterGroup group, double learningRate) {
        double rate = stepSize(value, learningRate);
        double decay = 1 - Math.pow((double) steps(), options.decayRate());
        Tensor square = gradient.square().addInPlace(options.epsilon1());
        Tensor update = (value.shape().length >= 2
                        ? factored(parameter, square, decay)
                        : full.of(parameter)
                                .mulInPlace(decay)
                                .addScaledInPlace(square, 1 - decay)
                                .rsqrt())
                .mulInPlace(gradient);
        update.mulInPlace(rate / Math.max(1, rootMeanSquare(update) / options.clipThreshold()));
        Double beta1 = options.beta1();
        if (beta1 != null) {
            update = first.of(parameter).mulInPlace(beta1).addScaledInPlace(update, 1 - beta1);
        }
        if (group.weightDecay() != 0) {
            value.mulInPlace(1 - group.weightDecay() * rate);
        }
        value.subInPlace(update);
    }

    /** The reciprocal root of the second moment, from its rows and columns: [..., rows, columns]. */
    private Tensor factored(Parameter parameter, Tensor square, double decay) {
        Tensor row = rows.of(parameter).mulInPlace(decay).addScaledInPlace(square.mean(-1, false), 1 - decay);
        Tensor column = columns.of(parameter).mulInPlace(decay).addScaledInPlace(square.mean(-2, false), 1 - decay);
        Tensor rowFactor = row.div(row.mean(-1, true)).rsqrt().unsqueeze(-1); // [..., rows, 1]
        return rowFactor.mul(column.rsqrt().unsqueeze(-2)); // [..., rows, columns]
    }

    private double stepSize(Tensor value, double learningRate) {
        double size = learningRate;
        if (options.relativeStep()) {
            double least = options.warmupInit() ? 1e-6 * steps() : 1e-2;
            size = Math.min(least, 1 / Math.sqrt((double) steps()));
        }
        return options.scaleParameter() ? size * Math.max(options.epsilon2(), rootMeanSquare(value)) : size;
    }

    private static double rootMeanSquare(Tensor tensor) {
        return tensor.norm().item() / Math.sqrt((double) tensor.numel());
    }

    /** Registers the optimizer. */
    public static final class Provider implements OptimizerProvider {

        private static final Set<String> ARGUMENTS = Set.of(
                "eps1",
                "eps2",
                "clip_threshold",
                "decay_rate",
                "beta1",
                "scale_parameter",
                "relative_step",
                "warmup_init");

        @Override
        public List<String> names() {
            return List.of("adafactor");
        }

        @Override
        public Optimizer create(List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options) {
            options.allowArguments(ARGUMENTS);
            Options defaults = Options.defaults();
            return new Adafactor(
                    groups,
                    new Options(
                            options.number("eps1", defaults.epsilon1()),
                            options.number("eps2", defaults.epsilon2()),
                            options.number("clip_threshold", defaults.clipThreshold()),
                            options.number("decay_rate", defaults.decayRate()),
                            options.arguments().containsKey("beta1") ? options.number("beta1", 0) : null,
                            options.flag("scale_parameter", false),
                            options.flag("relative_step", false),
                            options.flag("warmup_init", false)));
        }

        @Override
        public long stateBytes(long[] shape, boolean isTable, OptimizerOptions options) {
            long all = OptimizerProvider.floatBytes(shape);
            boolean isFactored = shape.length >= 2 && all > 0; // a rank may have no row of a matrix
            long moments = isFactored ? all / shape[shape.length - 1] + all / shape[shape.length - 2] : all;
            return options.arguments().containsKey("beta1") ? moments + all : moments;
        }
    }
}
