package org.finetune4j.model;

import java.util.LinkedHashSet;
import java.util.Set;
import org.finetune4j.nn.Initialization;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/** Gives every tensor as one number that stands for all of its elements: a model of shapes, with no memory to speak of. */
final class ShapesOnly implements Weights.Source {

    private final DType dtype;
    private final Set<String> names = new LinkedHashSet<>();

    ShapesOnly(DType dtype) {
        this.dtype = dtype;
    }

    /** The tensors that were asked for. */
    Set<String> names() {
        return names;
    }

    @Override
    public boolean contains(String name) {
        return false;
    }

    @Override
    public Tensor tensor(String name, Initialization initialization, long[] shape) {
        names.add(name);
        return Tensors.zeros(dtype, Device.CPU).expand(shape);
    }
}
