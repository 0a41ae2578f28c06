package org.finetune4j.peft;

import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/** Makes an adapter's parameters. Random values are drawn in float32, as in PEFT, from the generator in use. */
public final class InitialValues {

    private InitialValues() {}

    /**
     * {@return zeros in float32}
     *
     * @param device where the tensor lives
     * @param shape the length of every dimension
     */
    public static Tensor zeros(Device device, long... shape) {
        return Tensors.zeros(DType.FLOAT32, device, shape);
    }

    /**
     * {@return memory for float32 values, which are any until they are set}
     *
     * @param device where the tensor lives
     * @param shape the length of every dimension
     */
    public static Tensor blank(Device device, long... shape) {
        return Tensors.empty(DType.FLOAT32, device, shape);
    }

    /**
     * {@return ones in float32}
     *
     * @param device where the tensor lives
     * @param shape the length of every dimension
     */
    public static Tensor ones(Device device, long... shape) {
        return Tensors.ones(DType.FLOAT32, device, shape);
    }

    /**
     * {@return normal values in float32}
     *
     * @param device where the tensor lives
     * @param standardDeviation of the values, whose mean is 0
     * @param shape the length of every dimension
     */
    public static Tensor normal(Device device, double standardDeviation, long... shape) {
        return zeros(device, shape).normalInPlace(0, standardDeviation);
    }

    /**
     * PyTorch's {@code kaiming_uniform_(a=sqrt(5))}: within {@code 1 / sqrt(columns)}.
     *
     * @param device where the tensor lives
     * @param rows output features
     * @param columns input features
     * @return float32 [rows, columns]
     */
    public static Tensor kaimingUniform(Device device, long rows, long columns) {
        double bound = 1 / Math.sqrt((double) columns);
        return zeros(device, rows, columns).uniformInPlace(-bound, bound);
    }

    /**
     * {@return a parameter in the type that this model's adapters have}
     *
     * @param model decides the type
     * @param name full name in the model
     * @param value of any floating-point type; it is copied where the type differs
     * @param trainable whether it trains
     */
    public static Parameter parameter(CausalLM model, String name, Tensor value, boolean trainable) {
        DType dtype = AdapterDType.of(model);
        Parameter parameter = new Parameter(name, value.to(dtype).contiguous());
        if (trainable) {
            parameter.train(dtype);
        }
        return parameter;
    }
}
