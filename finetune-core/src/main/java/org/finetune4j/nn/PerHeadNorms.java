package org.finetune4j.nn;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.nn.DividedFeatures.Section;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/** Normalises every head by a norm of its own, without bias: {@code norms.0}, {@code norms.1} and so on (Bellagente et al. 2024). */
public final class PerHeadNorms extends Norm {

    /** The norm of one head, which is applied together with the others'. */
    private static final class Head extends Norm {

        private final double epsilon;

        private Head(Weights weights, long headDim, double epsilon) {
            parameter("weight", weights.parameter("weight", Initialization.ONES, headDim));
            this.epsilon = epsilon;
        }

        @Override
        public Tensor forward(Tensor x) {
            return Functional.layerNorm(x, own("weight").as(x.dtype()), null, epsilon);
        }
    }

    private final List<Head> heads = new ArrayList<>();
    private final long headDim;
    private final double epsilon;

    private PerHeadNorms(Weights weights, long count, long headDim, double epsilon) {
        for (int i = 0; i < count; i++) {
            heads.add(child("norms." + i, new Head(weights.at("norms", i), headDim, epsilon)));
        }
        this.headDim = headDim;
        this.epsilon = epsilon;
    }

    /**
     * Norms that read {@code norms.i.weight} [headDim] for every head.
     *
     * @param headDim size of a head
     * @param epsilon added to the variance
     * @return makes them, for vectors of all heads
     */
    public static Factory factory(long headDim, double epsilon) {
        return (weights, size) -> new PerHeadNorms(weights, size / headDim, headDim, epsilon);
    }

    /** Not at all: the names of a process's heads would be those of other heads. */
    @Override
    public @Nullable DividedFeatures dividedBy(Section all) {
        return null;
    }

    @Override
    public Tensor forward(Tensor x) {
        List<Tensor> weights = new ArrayList<>();
        for (Head head : heads) {
            weights.add(head.own("weight").as(x.dtype()));
        }
        Tensor weight = Tensors.cat(weights, 0).view(heads.size(), headDim); // [heads, headDim]
        Tensor byHeads = x.view(x.size(0), x.size(1), heads.size(), headDim); // [batch, seq, heads, headDim]
        return Functional.layerNorm(byHeads, null, null, epsilon).mul(weight).view(x.shape());
    }
}
