package org.finetune4j.train.optimizer;

import com.google.common.hash.Hashing;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.ToLongFunction;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.LinearAlgebra;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * APOLLO (Zhu et al. 2024, arXiv:2412.05270): the gradient itself, scaled. {@link LowRankAdamW} in a random space tells how much
 * Adam would stretch it, by the ratio of norms of direction and gradient there: for every line along the shorter side
 * ({@code scale_type: channel}), or for the whole matrix ({@code tensor}; with rank 1 and {@code scale: 128} APOLLO-Mini).
 * The norm of an update grows by at most 1% a step (Chen et al. 2024, arXiv:2410.01623).
 */
public final class ApolloAdamW extends LowRankAdamW {

    private static final double LARGEST_GROWTH = 1.01;
    private static final double SMALL = 1e-8;
    private static final long NEXT_SPACE = 1_000_003;

    private final boolean byChannel;

    /** Where a matrix's random spaces begin, by its name; null where spaces are chosen by the gradient. */
    private final @Nullable ToLongFunction<String> seeds;

    private final ParameterStates norms;

    private ApolloAdamW(
            List<ParameterGroup> groups,
            Set<Parameter> matrices,
            Settings settings,
            boolean byChannel,
            @Nullable ToLongFunction<String> seeds) {
        this(groups, matrices, settings, byChannel, seeds, new ParameterStates("update_norm", shape -> new long[] {1}));
    }

    private ApolloAdamW(
            List<ParameterGroup> groups,
            Set<Parameter> matrices,
            Settings settings,
            boolean byChannel,
            @Nullable ToLongFunction<String> seeds,
            ParameterStates norms) {
        super(groups, matrices, settings, norms);
        this.byChannel = byChannel;
        this.seeds = seeds;
        this.norms = norms;
    }

    @Override
    Tensor choose(Tensor gradient, int rank, String matrix, long choice) {
        boolean tall = isTall(gradient.shape());
        if (seeds == null) {
            LinearAlgebra.Svd parts = LinearAlgebra.svd(gradient);
            return tall ? parts.vh().narrow(0, 0, rank) : parts.u().narrow(1, 0, rank);
        }
        // Of the matrix and the step alone, so that a resumed run chooses the same, and every rank.
        try (RandomGenerator.Use use = RandomGenerator.of(seeds.applyAsLong(matrix) + NEXT_SPACE * choice)
                .use()) {
            long rows = tall ? rank : gradient.size(0);
            long columns = tall ? gradient.size(1) : rank;
            return Tensors.randn(gradient.dtype(), gradient.device(), rows, columns)
                    .mulInPlace(1 / Math.sqrt(rank));
        }
    }

    @Override
    Tensor whole(Parameter parameter, Tensor gradient, Tensor low, Tensor direction, Tensor projection) {
        Tensor scaled = gradient.mul(stretch(low, direction, isTall(gradient.shape()) ? 1 : 0));
        double norm = scaled.norm().item();
        boolean first = !norms.has(parameter);
        Tensor last = norms.of(parameter);
        if (!first) {
            double limiter = Math.max(norm / (last.item() + SMALL), LARGEST_GROWTH) / LARGEST_GROWTH;
            scaled.mulInPlace(1 / limiter);
            norm /= limiter;
        }
        last.fillInPlace(norm);
        return scaled.mulInPlace(Math.sqrt(scale()));
    }

    private Tensor stretch(Tensor low, Tensor direction, int dimension) {
        if (byChannel) {
            return norm(direction, dimension).div(norm(low, dimension).addInPlace(SMALL));
        }
        return direction.norm().div(low.norm().add(SMALL));
    }

    private static Tensor norm(Tensor matrix, int dimension) {
        return matrix.square().sum(dimension, true).sqrt();
    }

    /** Registers the optimizer. */
    public static final class Provider implements OptimizerProvider {

        private static final Map<String, Set<String>> WORDS = Map.of(
                "proj", Set.of("random", "svd"), "scale_type", Set.of("channel", "tensor"), "proj_type", Set.of("std"));

        private final ToLongFunction<String> seeds;

        /** For the service loader: a matrix's seed is a hash of its name. */
        public Provider() {
            this(matrix -> Hashing.murmur3_128()
                    .hashString(matrix, StandardCharsets.UTF_8)
                    .asLong());
        }

        Provider(ToLongFunction<String> seeds) {
            this.seeds = seeds;
        }

        @Override
        public List<String> names() {
            return List.of("apollo_adamw");
        }

        @Override
        public Optimizer create(List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options) {
            options.allowArguments(Set.of(RANK, GAP, SCALE, "proj", "scale_type", "proj_type", TARGETS));
            boolean random = word(options, "proj", "random").equals("random")
                    && word(options, "proj_type", "std").equals("std");
            return new ApolloAdamW(
                    groups,
                    matrices(groups, tables, options),
                    Settings.of(options, 1),
                    word(options, "scale_type", "channel").equals("channel"),
                    random ? seeds : null);
        }

        private static String word(OptimizerOptions options, String key, String fallback) {
            String word = options.arguments().getOrDefault(key, fallback);
            Set<String> words = WORDS.getOrDefault(key, Set.of());
            if (!words.contains(word)) {
                throw new UserErrorException(
                        "optim_args: '" + key + "' is '" + word + "'" + Suggestions.among(word, words));
            }
            return word;
        }

        @Override
        public long stateBytes(long[] shape, boolean isTable, OptimizerOptions options) {
            boolean projected = shape.length == 2 && !isTable;
            return LowRankAdamW.stateBytes(shape, isTable, options) + (projected ? Float.BYTES : 0);
        }
    }
}
