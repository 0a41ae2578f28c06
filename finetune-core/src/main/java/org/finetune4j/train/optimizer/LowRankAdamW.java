package org.finetune4j.train.optimizer;

import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;

/**
 * AdamW whose moments of matrices lie in a space of low rank: the gradient G is projected there along its shorter side, to
 * {@code G P^T} with P [rank, columns], or {@code P^T G} with P [rows, rank], and P is chosen anew every so many steps. What a
 * subclass does with the direction found there makes the method. Other parameters move by plain AdamW.
 *
 * <pre>
 * m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2,   d = m / (sqrt(v) + epsilon)
 * p = p - lr * sqrt(1 - beta2^t) / (1 - beta1^t) * d,   p = p - lr * decay * p
 * </pre>
 */
abstract class LowRankAdamW extends StatefulOptimizer {

    static final String RANK = "rank";
    static final String GAP = "update_proj_gap";
    static final String SCALE = "scale";
    static final String TARGETS = "optim_target_modules";

    private static final int RANK_OF_TRANSFORMERS = 128;
    private static final int GAP_OF_TRANSFORMERS = 200;

    /**
     * The settings that both methods have.
     *
     * @param beta1 decay of the first moment
     * @param beta2 decay of the second moment
     * @param epsilon added to the root of the second moment
     * @param rank of the space
     * @param gap steps between two choices of it
     * @param scale of the update of a matrix
     */
    record Settings(double beta1, double beta2, double epsilon, int rank, int gap, double scale) {

        static Settings of(OptimizerOptions options, double scale) {
            int rank = (int) options.number(RANK, RANK_OF_TRANSFORMERS);
            int gap = (int) options.number(GAP, GAP_OF_TRANSFORMERS);
            if (rank < 1 || gap < 1) {
                throw new UserErrorException(
                        "optim_args: '" + (rank < 1 ? RANK : GAP) + "' has to be a whole number from 1");
            }
            return new Settings(
                    options.beta1(), options.beta2(), options.epsilon(), rank, gap, options.number(SCALE, scale));
        }
    }

    private final Settings settings;
    private final Set<Parameter> matrices;
    private final ParameterStates moments;
    private final ParameterStates squares;
    private final ParameterStates lowMoments;
    private final ParameterStates lowSquares;
    private final ParameterStates projections;

    LowRankAdamW(
            List<ParameterGroup> groups, Set<Parameter> matrices, Settings settings, ParameterStates... ofTheMethod) {
        this(
                groups,
                matrices,
                settings,
                new ParameterStates("exp_avg"),
                new ParameterStates("exp_avg_sq"),
                new ParameterStates("low_rank_exp_avg", shape -> projected(shape, settings.rank())),
                new ParameterStates("low_rank_exp_avg_sq", shape -> projected(shape, settings.rank())),
                new ParameterStates("projection", shape -> projection(shape, settings.rank())),
                ofTheMethod);
    }

    private LowRankAdamW(
            List<ParameterGroup> groups,
            Set<Parameter> matrices,
            Settings settings,
            ParameterStates moments,
            ParameterStates squares,
            ParameterStates lowMoments,
            ParameterStates lowSquares,
            ParameterStates projections,
            ParameterStates... ofTheMethod) {
        super(groups, all(ofTheMethod, moments, squares, lowMoments, lowSquares, projections));
        this.settings = settings;
        this.matrices = matrices;
        this.moments = moments;
        this.squares = squares;
        this.lowMoments = lowMoments;
        this.lowSquares = lowSquares;
        this.projections = projections;
    }

    private static ParameterStates[] all(ParameterStates[] some, ParameterStates... more) {
        ParameterStates[] all = Arrays.copyOf(some, some.length + more.length);
        System.arraycopy(more, 0, all, some.length, more.length);
        return all;
    }

    /**
     * Chooses the space anew.
     *
     * @param gradient [rows, columns]
     * @param rank at most the shorter side
     * @param matrix the name that it has in every run and on every rank
     * @param choice which one it is, from 0
     * @return P: [rank, columns] where there are at least as many rows, else [rows, rank]
     */
    abstract Tensor choose(Tensor gradient, int rank, String matrix, long choice);

    /**
     * What a matrix moves along.
     *
     * @param gradient [rows, columns]
     * @param low the gradient in the space
     * @param direction what Adam makes of it there
     * @param projection P
     * @return [rows, columns]
     */
    abstract Tensor whole(Parameter parameter, Tensor gradient, Tensor low, Tensor direction, Tensor projection);

    final double scale() {
        return settings.scale();
    }

    @Override
    void update(Parameter parameter, Tensor value, Tensor gradient, ParameterGroup group, double learningRate) {
        double step = learningRate
                * Math.sqrt(1 - Math.pow(settings.beta2(), (double) steps()))
                / (1 - Math.pow(settings.beta1(), (double) steps()));
        Tensor along;
        if (!matrices.contains(parameter)) {
            along = direction(moments.of(parameter), squares.of(parameter), gradient);
        } else {
            Tensor projection = projection(parameter, gradient);
            Tensor low = isTall(gradient.shape())
                    ? gradient.mm(projection.t())
                    : projection.t().mm(gradient);
            along = whole(
                    parameter,
                    gradient,
                    low,
                    direction(lowMoments.of(parameter), lowSquares.of(parameter), low),
                    projection);
        }
        value.addScaledInPlace(along, -step);
        if (group.weightDecay() != 0) {
            value.mulInPlace(1 - learningRate * group.weightDecay());
        }
    }

    private Tensor projection(Parameter parameter, Tensor gradient) {
        boolean isNew = !projections.has(parameter);
        Tensor projection = projections.of(parameter);
        long step = steps() - 1;
        if (isNew || step % settings.gap() == 0) {
            int rank = (int) Math.min(settings.rank(), Math.min(gradient.size(0), gradient.size(1)));
            projection.copyInPlace(choose(gradient, rank, parameter.name(), step / settings.gap()));
        }
        return projection;
    }

    private Tensor direction(Tensor moment, Tensor square, Tensor gradient) {
        moment.mulInPlace(settings.beta1()).addScaledInPlace(gradient, 1 - settings.beta1());
        square.mulInPlace(settings.beta2()).addScaledInPlace(gradient.square(), 1 - settings.beta2());
        return moment.div(square.sqrt().addInPlace(settings.epsilon()));
    }

    static boolean isTall(long[] shape) {
        return shape[0] >= shape[1];
    }

    private static long[] projection(long[] shape, int rank) {
        long size = Math.min(rank, Math.min(shape[0], shape[1]));
        return isTall(shape) ? new long[] {size, shape[1]} : new long[] {shape[0], size};
    }

    private static long[] projected(long[] shape, int rank) {
        long size = Math.min(rank, Math.min(shape[0], shape[1]));
        return isTall(shape) ? new long[] {shape[0], size} : new long[] {size, shape[1]};
    }

    /** Bytes of both moments and the projection of a matrix, or of the moments of anything else. */
    static long stateBytes(long[] shape, boolean isTable, OptimizerOptions options) {
        if (shape.length != 2 || isTable) {
            return 2 * OptimizerProvider.floatBytes(shape);
        }
        int rank = (int) options.number(RANK, RANK_OF_TRANSFORMERS);
        return 2 * OptimizerProvider.floatBytes(projected(shape, rank))
                + OptimizerProvider.floatBytes(projection(shape, rank));
    }

    /**
     * The matrices that are projected: all but tables, or those in modules whose path holds one of the names in
     * {@code optim_target_modules}.
     *
     * @throws UserErrorException when a name is in no path, or a matrix is sharded
     */
    static Set<Parameter> matrices(List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options) {
        String given = options.arguments().getOrDefault(TARGETS, "all-linear");
        List<String> names =
                given.toLowerCase(Locale.ROOT).equals("all-linear") ? List.of() : List.of(given.split(","));
        Set<String> unused = new LinkedHashSet<>(names);
        Set<Parameter> matrices = Collections.newSetFromMap(new IdentityHashMap<>());
        Set<Parameter> ordered = new LinkedHashSet<>();
        for (ParameterGroup group : groups) {
            for (Parameter parameter : group.parameters()) {
                boolean named = names.isEmpty() && !tables.contains(parameter);
                for (String name : names) {
                    if (parameter.name().contains(name.strip())) {
                        named = true;
                        unused.remove(name);
                    }
                }
                if (named && parameter.shape().length == 2 && matrices.add(parameter)) {
                    requireWhole(parameter, options);
                    ordered.add(parameter);
                }
            }
        }
        if (!unused.isEmpty()) {
            throw new UserErrorException("'" + TARGETS + "': no trained parameter has '"
                    + unused.iterator().next().strip() + "' in its name");
        }
        return ordered;
    }

    private static void requireWhole(Parameter matrix, OptimizerOptions options) {
        if (matrix.local().shape().length != 2) {
            throw new UserErrorException("optim " + options.name() + " projects whole matrices, but '" + matrix.name()
                    + "' is sharded: choose adamw");
        }
    }
}
