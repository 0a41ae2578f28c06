package org.finetune4j.strategy;

import java.util.Map;
import org.finetune4j.nn.Parameter;

/** A method that leaves the base model's weights alone and can be folded into them. */
public interface Adapter extends AttachedStrategy {

    /** The adapter's parameters by the keys that its file has them under. */
    Map<String, Parameter> parametersByKey();

    /**
     * Folds the adapter into the base weights, so that the model alone gives the same results and can be saved. The old
     * weights are kept, so that {@link #unmerge()} and {@link #close()} bring them back exactly.
     *
     * @throws org.finetune4j.UserErrorException when this method cannot be folded in
     */
    void merge();

    /** Takes the adapter out of the base weights again. */
    void unmerge();
}
