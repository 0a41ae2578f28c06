package org.finetune4j.peft.lora;

import java.util.Map;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.peft.AdaptedLinear;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** {@code y = base(x) + scale * B_e A_e x} in one projection of one expert, whose factors are parts of those of all experts. */
final class ExpertProjection extends AdaptedLinear {

    private final ExpertFactors factors;
    private final Place place;
    private final double scale;

    /**
     * Where a projection's factors are among those of all.
     *
     * @param expert number of the expert
     * @param experts how many there are
     * @param rank of one expert's factors
     * @param row the first row of B that belongs to this projection
     */
    record Place(int expert, int experts, int rank, long row) {}

    ExpertProjection(DecoderModel network, Linear linear, ExpertFactors factors, Place place, double scale) {
        super(network, network.nameOf(linear), linear);
        this.factors = factors;
        this.place = place;
        this.scale = scale;
    }

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        DType dtype = x.dtype();
        Tensor low = Functional.linear(x, ofInputs(dtype), null); // [..., rank]
        return linear.project(x, context).addScaled(Functional.linear(low, ofOutputs(dtype), null), scale);
    }

    /** [rank, in]. */
    private Tensor ofInputs(DType dtype) {
        return factors.loraA().as(dtype).narrow(0, (long) place.expert * place.rank, place.rank);
    }

    /** [out, rank]. */
    private Tensor ofOutputs(DType dtype) {
        return factors.loraB()
                .as(dtype)
                .narrow(0, place.row, base().outFeatures())
                .reshape(base().outFeatures(), place.rank, place.experts)
                .select(2, place.expert);
    }

    @Override
    protected Tensor mergedWeight(Tensor weight) {
        DType dtype = weight.dtype();
        return weight.addScaled(ofOutputs(dtype).matmul(ofInputs(dtype)), scale);
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        return factors.parametersByKey();
    }

    /** The factors are all experts'. */
    @Override
    public void free() {}

    @Override
    protected String insteadOfSlices() {
        return "target_modules in place of target_parameters";
    }

    @Override
    public String toString() {
        return "LoRA of all experts";
    }
}
