package org.finetune4j.strategy;

/** A method that leaves the base model's weights alone and can be folded into them. */
public interface Adapter extends AttachedStrategy {

    /**
     * Adds the adapter to the base weights, so that the model alone gives the same results, and takes it off. Weights that
     * change become a memory of their own, in the dtype they are stored in.
     *
     * @throws org.finetune4j.UserErrorException when this method cannot be folded in
     */
    void merge();
}
