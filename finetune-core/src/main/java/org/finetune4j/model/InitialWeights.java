package org.finetune4j.model;

import org.finetune4j.nn.Initialization;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;

/** Gives a model new random weights, as pre-training from nothing starts with. */
record InitialWeights(Device device) implements Weights.Source {

    @Override
    public boolean contains(String name) {
        return false;
    }

    @Override
    public Tensor tensor(String name, Initialization initialization, long[] shape) {
        return initialization.create(device, shape);
    }
}
