package org.finetune4j.peft.adalora;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.peft.AdaptedLinear;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.SharedProduct;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/** {@code y = base(x) + scale * B (E * (A dropout(x)))}: a singular value decomposition with values E (Zhang et al. 2023). */
final class AdaLoraLayer extends AdaptedLinear implements SharedProduct {

    private static final double INITIAL_DEVIATION = 0.02;

    private final Parameter loraA;
    private final Parameter loraB;
    private final Parameter loraE;
    private final double scale;
    private final double dropout;

    /** Makes A [rank, in], B [out, rank] and E [rank, 1]. */
    AdaLoraLayer(CausalLM model, AdaLoraConfig config, String path, Linear linear, boolean trainable) {
        super(model.network(), path, linear);
        int rank = config.rankOf(path);
        this.scale = config.scale();
        this.dropout = config.loraDropout();
        Device device = model.device();
        double deviation = config.neutral() ? INITIAL_DEVIATION : 1;
        Tensor values =
                config.neutral() ? InitialValues.zeros(device, rank, 1) : InitialValues.normal(device, 1, rank, 1);
        this.loraA = InitialValues.parameter(
                model, path + ".lora_A", InitialValues.normal(device, deviation, rank, linear.inFeatures()), trainable);
        this.loraB = InitialValues.parameter(
                model,
                path + ".lora_B",
                InitialValues.normal(device, deviation, linear.outFeatures(), rank),
                trainable);
        this.loraE = InitialValues.parameter(model, path + AdaLoraConfig.LORA_E, values, trainable);
    }

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        return linear.project(x, context).addScaled(product(Dropout.of(context).apply(x, dropout)), scale);
    }

    @Override
    public Tensor outputOf(Tensor output, Tensor x, SequenceContext context) {
        return output.addScaled(product(x), scale);
    }

    private Tensor product(Tensor x) {
        DType dtype = x.dtype();
        Tensor scaledA = loraA.as(dtype).mul(loraE.as(dtype)); // [rank, in]
        return Functional.linear(Functional.linear(x, scaledA, null), loraB.as(dtype), null); // [..., out]
    }

    @Override
    protected Tensor mergedWeight(Tensor weight) {
        DType dtype = weight.dtype();
        Tensor product = loraB.as(dtype).matmul(loraA.as(dtype).mul(loraE.as(dtype)));
        return weight.addScaled(product, scale);
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put(key("lora_A"), loraA);
        parameters.put(key("lora_B"), loraB);
        parameters.put(key("lora_E"), loraE);
        return parameters;
    }

    Parameter loraA() {
        return loraA;
    }

    Parameter loraB() {
        return loraB;
    }

    Parameter loraE() {
        return loraE;
    }

    /** How many directions the layer has. */
    int rank() {
        return Math.toIntExact(loraE.value().size(0));
    }

    /** The directions that are kept alone, under the keys of the file; the tensors belong to the open scope. */
    Map<String, Parameter> cut(List<Boolean> kept) {
        int[] numbers = IntStream.range(0, kept.size()).filter(kept::get).toArray();
        Tensor index = Tensors.of(numbers, numbers.length)
                .to(DType.INT64)
                .to(loraE.value().device());
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put(key("lora_A"), new Parameter("", loraA.value().detach().indexSelect(0, index)));
        parameters.put(
                key("lora_B"),
                new Parameter("", loraB.value().detach().indexSelect(1, index).contiguous()));
        parameters.put(key("lora_E"), new Parameter("", loraE.value().detach().indexSelect(0, index)));
        return parameters;
    }

    @Override
    public String toString() {
        return "AdaLoRA";
    }
}
