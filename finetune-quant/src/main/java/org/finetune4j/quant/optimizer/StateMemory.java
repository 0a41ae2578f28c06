package org.finetune4j.quant.optimizer;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/** Where an optimizer keeps its states. It owns every tensor that it made. */
public interface StateMemory extends AutoCloseable {

    /** A tensor of zeros, which lives until this closes. */
    Tensor zeros(DType dtype, long... shape);

    /** Says that these tensors are about to be used, so that others may make room. */
    void touch(List<Tensor> tensors);

    @Override
    void close();

    /** Ordinary memory of the CPU. */
    static StateMemory resident() {
        return resident(Device.CPU);
    }

    /** Ordinary memory of a device. */
    static StateMemory resident(Device device) {
        return new StateMemory() {

            private final List<Tensor> all = new ArrayList<>();

            @Override
            public Tensor zeros(DType dtype, long... shape) {
                Tensor tensor = Tensors.zeros(dtype, device, shape).unscoped();
                all.add(tensor);
                return tensor;
            }

            @Override
            public void touch(List<Tensor> tensors) {}

            @Override
            public void close() {
                all.forEach(Tensor::close);
                all.clear();
            }
        };
    }
}
