package org.finetune4j.nn;

import java.util.List;
import org.finetune4j.tensor.Tensor;

/**
 * A listener that adds to the loss what routers did. Each layer's part is an output of the layer beside its hidden states,
 * whose gradient is known when all layers have run.
 */
public interface RouterLoss extends RouterListener {

    /** {@return the outputs that were recorded since the last call, which the caller closes} */
    List<Tensor> takeOutputs();

    /**
     * The gradient of each of these outputs, the same for all; asked for when all layers have run forwards.
     *
     * @return of an output's shape, which stays the listener's
     */
    Tensor outputGradient();
}
