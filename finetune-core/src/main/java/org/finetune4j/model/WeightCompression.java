package org.finetune4j.model;

import org.finetune4j.nn.CompressedWeight;
import org.finetune4j.tensor.Tensor;

/** Compresses the plain weights of a model's linear layers while it is loaded, one at a time. */
public interface WeightCompression {

    /**
     * {@return whether the weight of this name is to be compressed; embeddings and norms are never asked for}
     *
     * @param name of the weight in the model
     */
    boolean applies(String name);

    /**
     * Compresses a weight.
     *
     * @param weight on the device it is for; it belongs to the caller
     * @return the compressed weight
     * @throws org.finetune4j.UserErrorException when it holds values that are no numbers
     */
    CompressedWeight compress(Tensor weight);
}
