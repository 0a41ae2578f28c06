package org.finetune4j.peft.hira;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.peft.AdaptedLinear;
import org.finetune4j.peft.AdapterSlices;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.PartedWeight;
import org.finetune4j.peft.hira.Hira.Start;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** {@code y = base(x) + (W * B A) x}, the product of W with that of the two matrices being elementwise. */
final class HiraLayer extends AdaptedLinear {

    private final Parameter matrixA;
    private final Parameter matrixB;
    private final double dropout;
    private final AdapterSlices slices;

    HiraLayer(CausalLM model, Hira config, String path, Linear linear, boolean trainable) {
        super(model.network(), path, linear);
        int rank = config.rankOf(path);
        this.dropout = config.dropout();
        this.slices = new AdapterSlices(linear);
        long in = linear.wholeInFeatures();
        long out = linear.wholeOutFeatures();
        Device device = model.device();
        Tensor initialA =
                switch (config.start()) {
                    case NEUTRAL -> InitialValues.kaimingUniform(device, rank, in);
                    case GAUSSIAN -> InitialValues.normal(device, 1.0 / rank, rank, in);
                    case RANDOM -> InitialValues.normal(device, 1, rank, in);
                };
        Tensor initialB = config.start() == Start.RANDOM
                ? InitialValues.normal(device, 1, out, rank)
                : InitialValues.zeros(device, out, rank);
        this.matrixA =
                slices.ofInputs(InitialValues.parameter(model, path + ".hira_A", slices.inputsOf(initialA), trainable));
        this.matrixB = slices.ofOutputs(
                InitialValues.parameter(model, path + ".hira_B", slices.outputsOf(initialB), trainable));
    }

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        DType dtype = x.dtype();
        Tensor weight = PartedWeight.dense(linear, context).to(dtype); // [out, in]
        Tensor learned = Functional.linear(slices.dropped(x, dropout, context), weight.mul(product(dtype)), null);
        return linear.project(x, context).add(learned);
    }

    /** [out, in]. */
    private Tensor product(DType dtype) {
        return matrixB.as(dtype).matmul(matrixA.as(dtype));
    }

    @Override
    protected @Nullable String insteadOfSlices() {
        return null;
    }

    @Override
    protected Tensor mergedWeight(Tensor weight) {
        return weight.add(weight.mul(product(weight.dtype())));
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put(key("hira_A"), matrixA);
        parameters.put(key("hira_B"), matrixB);
        return parameters;
    }

    @Override
    public String toString() {
        return "HiRA";
    }
}
