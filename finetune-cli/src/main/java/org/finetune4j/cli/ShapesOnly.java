package org.finetune4j.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.nn.Initialization;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** Tensors that have a shape and no memory to speak of, and what their values would be made by. */
final class ShapesOnly implements Weights.Source {

    private final Map<String, Initialization> initializations = new LinkedHashMap<>();

    @Override
    public boolean contains(String name) {
        return false;
    }

    @Override
    public Tensor tensor(String name, Initialization initialization, long[] shape) {
        initializations.put(name, initialization);
        return Tensors.zeros(DType.BFLOAT16, Device.CPU).expand(shape);
    }

    /** The values of the tensor of this name, in {@code dtype}; they belong to the scope. */
    Tensor make(String name, DType dtype, long[] shape) {
        Initialization initialization = initializations.get(name);
        if (initialization == null) {
            throw new IllegalStateException("no tensor '" + name + "'");
        }
        try (TensorScope scope = TensorScope.open()) {
            return scope.keep(initialization.create(Device.CPU, shape).to(dtype));
        }
    }
}
