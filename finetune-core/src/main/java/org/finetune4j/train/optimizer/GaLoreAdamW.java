package org.finetune4j.train.optimizer;

import java.util.List;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.LinearAlgebra;
import org.finetune4j.tensor.Tensor;

/**
 * GaLore (Zhao et al. 2024, arXiv:2403.03507): {@link LowRankAdamW} in the space of the gradient's largest singular values, found
 * anew every {@code update_proj_gap} steps. The direction is projected back and scaled: all of a matrix trains, with the moments of
 * a low rank.
 */
public final class GaLoreAdamW extends LowRankAdamW {

    private static final double SCALE_OF_TRANSFORMERS = 0.25;

    private GaLoreAdamW(List<ParameterGroup> groups, Set<Parameter> matrices, Settings settings) {
        super(groups, matrices, settings);
    }

    @Override
    Tensor choose(Tensor gradient, int rank, String matrix, long choice) {
        LinearAlgebra.Svd parts = LinearAlgebra.svd(gradient);
        return isTall(gradient.shape())
                ? parts.vh().narrow(0, 0, rank)
                : parts.u().narrow(1, 0, rank);
    }

    @Override
    Tensor whole(Parameter parameter, Tensor gradient, Tensor low, Tensor direction, Tensor projection) {
        Tensor whole = isTall(gradient.shape()) ? direction.mm(projection) : projection.mm(direction);
        return whole.mulInPlace(scale());
    }

    /** Registers the optimizer. */
    public static final class Provider implements OptimizerProvider {

        @Override
        public List<String> names() {
            return List.of("galore_adamw");
        }

        @Override
        public Optimizer create(List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options) {
            options.allowArguments(Set.of(RANK, GAP, SCALE, "proj_type", TARGETS));
            if (!options.arguments().getOrDefault("proj_type", "std").equals("std")) {
                throw new UserErrorException(
                        "optim_args: 'proj_type' is " + options.arguments().get("proj_type")
                                + ", and gradients are projected along the shorter side: std");
            }
            return new GaLoreAdamW(
                    groups, matrices(groups, tables, options), Settings.of(options, SCALE_OF_TRANSFORMERS));
        }

        @Override
        public long stateBytes(long[] shape, boolean isTable, OptimizerOptions options) {
            return LowRankAdamW.stateBytes(shape, isTable, options);
        }
    }
}
