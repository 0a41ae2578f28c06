package org.finetune4j.train.offload;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/** Where an optimizer keeps its states. It owns every tensor that it made. */
public interface StateMemory extends AutoCloseable {

    /**
     * {@return a tensor of zeros, which lives until this closes}
     *
     * @param dtype type of the values
     * @param shape the length of every dimension
     */
    Tensor zeros(DType dtype, long... shape);

    /**
     * Says that these tensors are about to be used, so that others may make room.
     *
     * @param tensors those that this memory did not make are passed over
     */
    void touch(List<Tensor> tensors);

    @Override
    void close();

    /**
     * Ordinary memory of the CPU.
     *
     * @return memory that holds whatever is asked for
     */
    static StateMemory resident() {
        return resident(Device.CPU);
    }

    /**
     * Ordinary memory of a device.
     *
     * @param device where it lies
     * @return memory that holds whatever is asked for
     */
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
