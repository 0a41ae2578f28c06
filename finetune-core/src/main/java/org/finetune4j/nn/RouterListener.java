package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;

/** Is told how the routers of a mixture of experts decided. */
@FunctionalInterface
public interface RouterListener {

    /**
     * Called in a layer's forward pass; the tensors belong to the layer's scope and carry its graph.
     *
     * @param layer the number of the layer
     * @param logits [tokens, experts]
     * @param probabilities [tokens, experts], float32: their softmax, or what else a router makes of them that sums to 1
     * @param chosen [tokens, expertsPerToken] int64
     */
    void routed(int layer, Tensor logits, Tensor probabilities, Tensor chosen);
}
