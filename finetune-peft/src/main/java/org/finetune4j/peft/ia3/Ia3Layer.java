package org.finetune4j.peft.ia3;

import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.peft.AdaptedLinear;
import org.finetune4j.peft.AdapterSlices;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.SharedProduct;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** {@code y = l * base(x)}, or {@code y = base(l * x)} in a feed-forward layer (Liu et al. 2022). */
final class Ia3Layer extends AdaptedLinear implements SharedProduct {

    private final Parameter scales;
    private final boolean ofInput;

    /** @param ofInput whether the scales [1, in] are of the input; else they are of the output: [out, 1] */
    Ia3Layer(CausalLM model, Ia3 config, String path, Linear linear, boolean ofInput, boolean trainable) {
        super(model.network(), path, linear);
        this.ofInput = ofInput;
        long[] shape = ofInput ? new long[] {1, linear.wholeInFeatures()} : new long[] {linear.wholeOutFeatures(), 1};
        Tensor start = config.neutral()
                ? InitialValues.ones(model.device(), shape)
                : InitialValues.normal(model.device(), 1, shape);
        AdapterSlices slices = new AdapterSlices(linear);
        Tensor own = ofInput ? slices.inputsOf(start) : slices.outputsOf(start);
        Parameter made = InitialValues.parameter(model, path + ".ia3_l", own, trainable);
        this.scales = ofInput ? slices.ofInputs(made) : slices.ofOutputs(made);
    }

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        Tensor output = linear.project(inputOf(x), context);
        return ofInput ? output : output.mul(vector(x));
    }

    @Override
    public Tensor inputOf(Tensor x) {
        return ofInput ? x.mul(vector(x)) : x;
    }

    @Override
    public Tensor outputOf(Tensor output, Tensor x, SequenceContext context) {
        return ofInput ? output : output.mul(vector(x));
    }

    private Tensor vector(Tensor like) {
        return scales.as(like.dtype()).view(-1); // [in] or [out]
    }

    @Override
    protected Tensor mergedWeight(Tensor weight) {
        return weight.mul(scales.as(weight.dtype())); // [out, in] by [1, in] or [out, 1]
    }

    @Override
    protected @Nullable Tensor mergedBias(@Nullable Tensor bias) {
        return bias == null || ofInput
                ? bias
                : bias.mul(scales.as(bias.dtype()).detach().view(-1));
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        return Map.of(key("ia3_l"), scales);
    }

    /** The bias of summands of several ranks is added to their sum, and the scale of the output would be missing from it. */
    @Override
    protected @Nullable String insteadOfSlices() {
        boolean isApart = !ofInput && base().inputSlice() != null && base().bias() != null;
        return isApart ? "feedforward_modules with this layer" : null;
    }

    @Override
    public String toString() {
        return "IA3";
    }
}
