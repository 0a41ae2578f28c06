package org.finetune4j.model;

import java.util.Set;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.nn.CompressedWeight;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Gives the linear layers of a model compressed weights while it is loaded, one tensor at a time. */
public interface WeightCompression {

    /** Whether the weight of this name is to be compressed at all; embeddings and norms are never asked for. */
    boolean applies(String name);

    /** The names of the tensors that a checkpoint holds of the compressed weight {@code name}; empty when it is a plain one. */
    Set<String> partsOf(CheckpointReader reader, String name);

    /**
     * Reads a weight that the checkpoint holds compressed.
     *
     * @param shape of the weight that it stands for
     * @throws org.finetune4j.UserErrorException when a part is missing or broken, or it has another shape
     */
    CompressedWeight read(CheckpointReader reader, String name, long[] shape, Device device);

    /**
     * Compresses a plain weight, or gives null to leave it as it is.
     *
     * @param weight on the device it is for; it belongs to the caller
     * @throws org.finetune4j.UserErrorException when it holds values that are no numbers
     */
    @Nullable
    CompressedWeight compress(String name, Tensor weight);
}
