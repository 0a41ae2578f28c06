package org.finetune4j.model;

import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.tensor.Tensor;

/**
 * Where a parameter lies whose checkpoint has several of one shape in one tensor, [count, ...].
 *
 * @param tensor the tensor's name
 * @param index the parameter's place in the first dimension, from 0
 */
public record StackedTensor(String tensor, int index) {

    /**
     * Reads the values of a parameter from a checkpoint that was written of the model.
     *
     * @param reader of the checkpoint
     * @param config of the model
     * @param name of the parameter
     * @return a view of the mapped file
     * @throws org.finetune4j.UserErrorException when there is no such tensor
     */
    public static Tensor read(CheckpointReader reader, ModelConfig config, String name) {
        StackedTensor place =
                reader.contains(name) ? null : Architecture.of(config).stacked(name);
        return place == null || !place.isIn(reader) ? reader.tensor(name) : place.of(reader);
    }

    private boolean isIn(CheckpointReader reader) {
        return reader.contains(tensor) && index < reader.shape(tensor)[0];
    }

    private Tensor of(CheckpointReader reader) {
        return reader.tensor(tensor).select(0, index);
    }
}
