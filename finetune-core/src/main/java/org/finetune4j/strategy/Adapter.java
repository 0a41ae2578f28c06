package org.finetune4j.strategy;

import java.util.Map;
import org.finetune4j.nn.Parameter;

/** A method that leaves the base model's weights alone and can be folded into them. */
public interface Adapter extends AttachedStrategy {

    /** The adapter's parameters by the keys that its file has them under. */
    Map<String, Parameter> parametersByKey();

    /**
     * Adds the adapter to the base weights, so that the model alone gives the same results, and takes it off. Weights that
     * change become a memory of their own, in the dtype they are stored in.
     *
     * @throws org.finetune4j.UserErrorException when this method cannot be folded in
     */
    void merge();
}
