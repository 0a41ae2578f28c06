package org.finetune4j.peft.loha;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.LycorisConfig;
import org.finetune4j.peft.WeightDeltaLayer;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;

/** {@code D = scale * (w1a w1b) * (w2a w2b)}, the product of the two being elementwise (Hyeon-Woo et al. 2022). */
final class LohaLayer extends WeightDeltaLayer {

    private final Parameter w1a;
    private final Parameter w1b;
    private final Parameter w2a;
    private final Parameter w2b;
    private final double scale;

    LohaLayer(CausalLM model, Loha config, String path, Linear linear, boolean trainable) {
        super(model.network(), path, linear, config.shared());
        LycorisConfig shared = config.shared();
        int rank = shared.rankOf(path);
        long in = linear.wholeInFeatures();
        long out = linear.wholeOutFeatures();
        Device device = model.device();
        this.scale = shared.scaleOf(path);
        this.w1a = parameter(model, "hada_w1_a", InitialValues.kaimingUniform(device, out, rank), trainable);
        this.w1b = parameter(model, "hada_w1_b", InitialValues.kaimingUniform(device, rank, in), trainable);
        this.w2a = parameter(model, "hada_w2_a", InitialValues.kaimingUniform(device, out, rank), trainable);
        this.w2b = parameter(
                model,
                "hada_w2_b",
                config.neutral()
                        ? InitialValues.zeros(device, rank, in)
                        : InitialValues.kaimingUniform(device, rank, in),
                trainable);
    }

    private Parameter parameter(CausalLM model, String name, Tensor value, boolean trainable) {
        return InitialValues.parameter(model, path() + "." + name, value, trainable);
    }

    @Override
    protected Tensor delta(DType dtype) {
        Tensor first = w1a.as(dtype).matmul(w1b.as(dtype)); // [out, in]
        Tensor second = w2a.as(dtype).matmul(w2b.as(dtype));
        return first.mul(second).mul(scale);
    }

    @Override
    protected boolean scalesRankDropout() {
        return true;
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put(key("hada_w1_a"), w1a);
        parameters.put(key("hada_w1_b"), w1b);
        parameters.put(key("hada_w2_a"), w2a);
        parameters.put(key("hada_w2_b"), w2b);
        return parameters;
    }

    @Override
    public String toString() {
        return "LoHa";
    }
}
