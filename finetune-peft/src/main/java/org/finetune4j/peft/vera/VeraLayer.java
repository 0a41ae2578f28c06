package org.finetune4j.peft.vera;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.peft.AdaptedLinear;
import org.finetune4j.peft.AdapterSlices;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.SharedProduct;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** {@code y = base(x) + b * (B[:out] (d * (A[:, :in] dropout(x))))} with trained vectors b and d (Kopiczko et al. 2024). */
final class VeraLayer extends AdaptedLinear implements SharedProduct {

    private final VeraProjection projection;
    private final Parameter lambdaB;
    private final Parameter lambdaD;
    private final double dropout;
    private final AdapterSlices slices;

    VeraLayer(CausalLM model, Vera config, VeraProjection projection, String path, Linear linear, boolean trainable) {
        super(model.network(), path, linear);
        this.projection = projection;
        this.dropout = config.dropout();
        this.slices = new AdapterSlices(linear);
        Device device = model.device();
        Tensor b = config.neutral()
                ? InitialValues.zeros(device, linear.outFeatures())
                : InitialValues.ones(device, linear.outFeatures());
        Tensor d = config.neutral()
                ? InitialValues.zeros(device, config.rank()).fillInPlace(config.initialD())
                : InitialValues.normal(device, 1, config.rank());
        this.lambdaB = slices.ofOutputs(InitialValues.parameter(model, path + ".vera_lambda_b", b, trainable));
        this.lambdaD = slices.ofAll(InitialValues.parameter(model, path + ".vera_lambda_d", d, trainable));
    }

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        return linear.project(x, context).add(added(slices.dropped(x, dropout, context)));
    }

    @Override
    public Tensor outputOf(Tensor output, Tensor x, SequenceContext context) {
        return output.add(added(x));
    }

    private Tensor added(Tensor x) {
        DType dtype = x.dtype();
        Tensor low = Functional.linear(x, matrixA(dtype), null); // [..., rank]
        Tensor high = Functional.linear(low.mul(lambdaD.as(dtype)), matrixB(dtype), null); // [..., out]
        return high.mul(lambdaB.as(dtype));
    }

    /** The shared matrix cut to this layer: [rank, in]. */
    private Tensor matrixA(DType dtype) {
        return slices.inputsOf(projection.matrixA().as(dtype).narrow(1, 0, base().wholeInFeatures()));
    }

    /** [out, rank]. */
    private Tensor matrixB(DType dtype) {
        return slices.outputsOf(projection.matrixB().as(dtype).narrow(0, 0, base().wholeOutFeatures()));
    }

    @Override
    protected @Nullable String insteadOfSlices() {
        return null;
    }

    @Override
    protected Tensor mergedWeight(Tensor weight) {
        DType dtype = weight.dtype();
        Tensor scaledA = matrixA(dtype).mul(lambdaD.as(dtype).unsqueeze(1)); // [rank, in]
        Tensor scaledB = matrixB(dtype).mul(lambdaB.as(dtype).unsqueeze(1)); // [out, rank]
        return weight.add(scaledB.matmul(scaledA));
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put(key("vera_lambda_b"), lambdaB);
        parameters.put(key("vera_lambda_d"), lambdaD);
        return parameters;
    }

    @Override
    public String toString() {
        return "VeRA";
    }
}
