package org.finetune4j.peft.merge;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * Makes one pair of LoRA factors from several pairs of one module, as PEFT's {@code add_weighted_adapter} (0.21) does. The
 * result has the scaling 1.
 *
 * @param type how the factors become one
 * @param density share of values that stay, for the types that drop some
 * @param majoritySign how TIES elects a sign
 * @param seed of the values that DARE drops
 * @param rank of the result, for the types that compress
 */
public record LoraCombination(CombinationType type, double density, MajoritySign majoritySign, long seed, int rank) {

    /**
     * The factors of one adapter at one module.
     *
     * @param a [rank, in]
     * @param b [out, rank]
     * @param scaling alpha / rank, or what rsLoRA makes of them
     */
    public record Factors(Tensor a, Tensor b, double scaling) {

        Tensor delta() {
            try (TensorScope scope = TensorScope.open()) {
                return scope.keep(b.matmul(a).mul(scaling)); // [out, in]
            }
        }
    }

    /**
     * Combines the factors.
     *
     * @param adapters at least one
     * @param weights one for each
     * @return the factors of the merged adapter
     * @throws UserErrorException when ranks differ and the type merges the factors value by value
     */
    public Factors combine(List<Factors> adapters, double[] weights) {
        // PEFT as well: one adapter can only be scaled.
        CombinationType used = adapters.size() == 1 ? CombinationType.LINEAR : type;
        try (TensorScope scope = TensorScope.open()) {
            Factors combined;
            if (used == CombinationType.CAT) {
                combined = concatenate(adapters, weights);
            } else if (used.compresses()) {
                List<Tensor> deltas = adapters.stream().map(Factors::delta).toList();
                LowRankFactors factors = LowRankFactors.ofRank(merge(used, deltas, weights), rank);
                combined = new Factors(factors.a(), factors.b(), 1);
            } else {
                combined = mergeFactors(used, adapters, weights);
            }
            return new Factors(scope.keep(combined.a()), scope.keep(combined.b()), 1);
        }
    }

    private static Factors concatenate(List<Factors> adapters, double[] weights) {
        List<Tensor> a = new ArrayList<>();
        List<Tensor> b = new ArrayList<>();
        for (int i = 0; i < weights.length; i++) {
            a.add(adapters.get(i).a().mul(weights[i] * adapters.get(i).scaling()));
            b.add(adapters.get(i).b());
        }
        return new Factors(Tensors.cat(a, 0), Tensors.cat(b, 1), 1);
    }

    private Factors mergeFactors(CombinationType used, List<Factors> adapters, double[] weights) {
        double[] weightsOfA = new double[weights.length];
        double[] weightsOfB = new double[weights.length];
        for (int i = 0; i < weights.length; i++) {
            if (adapters.get(i).a().size(0) != adapters.get(0).a().size(0)) {
                throw new UserErrorException("combination type '" + used.peftName()
                        + "' needs adapters of one rank: use cat or svd for different ones");
            }
            double weight = weights[i] * adapters.get(i).scaling();
            // The sign goes to one side only, or it would cancel.
            weightsOfB[i] = Math.sqrt(Math.abs(weight));
            weightsOfA[i] = Math.copySign(weightsOfB[i], weight);
        }
        Tensor a = merge(used, adapters.stream().map(Factors::a).toList(), weightsOfA);
        Tensor b = merge(used, adapters.stream().map(Factors::b).toList(), weightsOfB);
        return new Factors(a, b, 1);
    }

    private Tensor merge(CombinationType used, List<Tensor> tensors, double[] weights) {
        return switch (used) {
            case LINEAR, SVD, CAT -> WeightedSum.of(tensors, weights);
            case TIES, TIES_SVD -> Ties.merge(tensors, weights, density, majoritySign);
            case MAGNITUDE_PRUNE, MAGNITUDE_PRUNE_SVD -> MagnitudePruning.merge(tensors, weights, density);
            case DARE_LINEAR, DARE_LINEAR_SVD ->
                Dare.linear(tensors, Dare.masks(tensors, density, seed), weights, density);
            case DARE_TIES, DARE_TIES_SVD ->
                Dare.ties(tensors, Dare.masks(tensors, density, seed), weights, density, majoritySign);
        };
    }
}
