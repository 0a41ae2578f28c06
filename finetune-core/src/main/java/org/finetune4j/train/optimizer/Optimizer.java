package org.finetune4j.train.optimizer;

import java.util.Map;
import org.finetune4j.tensor.Tensor;

/** Changes parameters by their gradients. It owns its state, which is native memory: close it. */
public interface Optimizer extends AutoCloseable {

    /** One update of every parameter that has a gradient. */
    void step(double learningRate);

    /** Drops all gradients and their memory. */
    void clearGradients();

    /**
     * What must be saved to go on exactly, by names that stay the same between runs. The tensors belong to the optimizer;
     * states of parameters that were never updated are left out.
     */
    Map<String, Tensor> state();

    /**
     * Takes over a saved state, copying it.
     *
     * @throws org.finetune4j.UserErrorException when it belongs to other parameters
     */
    void restore(Map<String, Tensor> state);

    @Override
    void close();
}
