package org.finetune4j.model;

import java.util.Set;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.nn.CompressedWeight;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Gives the linear layers of a model compressed weights while it is loaded, one tensor at a time. */
public interface WeightCompression {

    /**
     * {@return whether the weight of this name is to be compressed at all; embeddings and norms are never asked for}
     *
     * @param name of the weight in the checkpoint
     */
    boolean applies(String name);

    /**
     * {@return the names of the tensors that a checkpoint holds of the compressed weight {@code name}; empty when it is a
     * plain one}
     *
     * @param reader of the checkpoint
     * @param name of the weight in the checkpoint
     */
    Set<String> partsOf(CheckpointReader reader, String name);

    /**
     * Reads a weight that the checkpoint holds compressed.
     *
     * @param reader of the checkpoint
     * @param name of the weight in the checkpoint
     * @param shape of the weight that it stands for
     * @param device where the weights go
     * @return the weight
     * @throws org.finetune4j.UserErrorException when a part is missing or broken, or it has another shape
     */
    CompressedWeight read(CheckpointReader reader, String name, long[] shape, Device device);

    /**
     * Compresses a plain weight, or gives null to leave it as it is.
     *
     * @param name of the weight in the checkpoint
     * @param weight on the device it is for; it belongs to the caller
     * @return the compressed weight, or null
     * @throws org.finetune4j.UserErrorException when it holds values that are no numbers
     */
    @Nullable
    CompressedWeight compress(String name, Tensor weight);
}
