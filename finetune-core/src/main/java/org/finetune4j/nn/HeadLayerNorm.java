package org.finetune4j.nn;

import org.finetune4j.nn.DividedFeatures.Section;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;

/** Normalises every head by itself, without bias, and multiplies each by weights of its own (Cohere 2024). */
public final class HeadLayerNorm extends Norm {

    private final double epsilon;

    private HeadLayerNorm(Weights weights, long heads, long headDim, double epsilon) {
        parameter("weight", weights.parameter("weight", Initialization.ONES, heads, headDim));
        this.epsilon = epsilon;
    }

    /**
     * Norms that read {@code weight} [heads, headDim].
     *
     * @param headDim size of a head
     * @param epsilon added to the variance
     * @return makes them, for vectors of all heads
     */
    public static Factory factory(long headDim, double epsilon) {
        return (weights, size) -> new HeadLayerNorm(weights, size / headDim, headDim, epsilon);
    }

    /** The weight has a row for every head. */
    @Override
    public DividedFeatures dividedBy(Section heads) {
        return DividedFeatures.elements(new Section(heads.kind(), heads.count(), 1));
    }

    @Override
    public Tensor forward(Tensor x) {
        Tensor weight = own("weight").as(x.dtype()); // [heads, headDim]
        Tensor byHeads = x.view(x.size(0), x.size(1), weight.size(0), weight.size(1)); // [batch, seq, heads, headDim]
        return Functional.layerNorm(byHeads, null, null, epsilon).mul(weight).view(x.shape());
    }
}
