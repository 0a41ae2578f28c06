package org.finetune4j.peft.road;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.peft.AdaptedLinear;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.SharedProduct;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/** {@code y' = c * y + s * turned(y)}: the halves of a group of outputs are turned against each other, {@code (a, b)} to {@code (-b, a)}. */
final class RoadLayer extends AdaptedLinear implements SharedProduct {

    private static final double STANDARD_DEVIATION = 0.5;

    private final Road config;
    private final Parameter angles;
    private final Parameter lengths;

    RoadLayer(CausalLM model, Road config, String path, Linear linear, boolean trainable) {
        super(model.network(), path, linear);
        this.config = config;
        long out = linear.outFeatures();
        if (out % config.groupSize() != 0) {
            throw new UserErrorException("'group_size' is " + config.groupSize() + ", which does not divide the " + out
                    + " outputs of " + path);
        }
        long size = config.variant().size(out);
        Device device = model.device();
        boolean neutral = config.neutral();
        this.angles = InitialValues.parameter(
                model,
                path + ".road_theta",
                neutral ? InitialValues.zeros(device, size) : InitialValues.normal(device, STANDARD_DEVIATION, size),
                trainable);
        Tensor ones = InitialValues.ones(device, size);
        this.lengths = InitialValues.parameter(
                model,
                path + ".road_alpha",
                neutral ? ones : ones.add(InitialValues.normal(device, STANDARD_DEVIATION, size)),
                trainable);
    }

    @Override
    public Tensor forward(Linear linear, Tensor x, @Nullable SequenceContext context) {
        return turned(linear.project(x, context));
    }

    @Override
    public Tensor outputOf(Tensor output, Tensor x, SequenceContext context) {
        return turned(output);
    }

    /** Turns the last dimension, [..., out]. */
    private Tensor turned(Tensor outputs) {
        DType dtype = outputs.dtype();
        int half = config.groupSize() / 2;
        Tensor pairs = outputs.reshape(-1, 2, half);
        Tensor other = Tensors.stack(List.of(pairs.select(1, 1).neg(), pairs.select(1, 0)), 1)
                .reshape(outputs.shape()); // [..., out]
        Tensor theta = perOutput(angles.as(dtype));
        Tensor alpha = perOutput(lengths.as(dtype));
        Tensor cosines = part(alpha, 0).mul(part(theta, 0).cos()); // [out]
        Tensor sines = part(alpha, 1).mul(part(theta, 1).sin());
        return outputs.mul(cosines).add(other.mul(sines));
    }

    /** One number for each output where the two of a pair share theirs. */
    private Tensor perOutput(Tensor numbers) {
        return config.variant() == Road.Variant.ROAD_1
                ? numbers.reshape(-1, config.groupSize() / 2)
                        .repeatInterleave(2, 0)
                        .reshape(-1)
                : numbers;
    }

    /** Those of the cosines, 0, or of the sines, 1: [out]. */
    private Tensor part(Tensor numbers, int index) {
        return config.variant() == Road.Variant.ROAD_4
                ? numbers.reshape(-1, 2, config.groupSize()).select(1, index).reshape(-1)
                : numbers;
    }

    @Override
    protected Tensor mergedWeight(Tensor weight) {
        return turned(weight.t()).t();
    }

    @Override
    protected @Nullable Tensor mergedBias(@Nullable Tensor bias) {
        return bias == null ? null : turned(bias);
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        Map<String, Parameter> parameters = new LinkedHashMap<>();
        parameters.put(key("road_theta"), angles);
        parameters.put(key("road_alpha"), lengths);
        return parameters;
    }

    @Override
    public String toString() {
        return "RoAd";
    }
}
