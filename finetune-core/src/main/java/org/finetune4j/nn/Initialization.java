package org.finetune4j.nn;

import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/** What a parameter starts from when no checkpoint gives it a value. */
public sealed interface Initialization {

    /**
     * Draws or fills a float32 tensor; random values come from the generator in use on this thread.
     *
     * @param device where the tensor lives
     * @param shape the length of every dimension
     * @return the tensor
     */
    Tensor create(Device device, long... shape);

    /** Normal with mean 0. */
    record Normal(double standardDeviation) implements Initialization {
        @Override
        public Tensor create(Device device, long... shape) {
            return Tensors.zeros(DType.FLOAT32, device, shape).normalInPlace(0, standardDeviation);
        }
    }

    /** The same value everywhere. */
    record Constant(double value) implements Initialization {
        @Override
        public Tensor create(Device device, long... shape) {
            return Tensors.full(value, DType.FLOAT32, device, shape);
        }
    }

    /** All zeros. */
    Initialization ZEROS = new Constant(0);
    /** All ones. */
    Initialization ONES = new Constant(1);
}
