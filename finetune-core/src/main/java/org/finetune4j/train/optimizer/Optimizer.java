package org.finetune4j.train.optimizer;

import java.util.Map;
import org.finetune4j.tensor.Tensor;

/** Changes parameters by their gradients. It owns its state, which is native memory: close it. */
public interface Optimizer extends AutoCloseable {

    /**
     * One update of every parameter that has a gradient.
     *
     * @param learningRate of this step, before the factors of groups
     */
    void step(double learningRate);

    /** Drops all gradients and their memory. */
    void clearGradients();

    /**
     * {@return what must be saved to go on exactly, by names that stay the same between runs} The tensors belong to the
     * optimizer; states of parameters that were never updated are left out.
     */
    Map<String, Tensor> state();

    /**
     * Takes over a saved state, copying it.
     *
     * @param state what {@link #state()} gave
     * @throws org.finetune4j.UserErrorException when it belongs to other parameters
     */
    void restore(Map<String, Tensor> state);

    /**
     * {@return whether the weights that answer best are others than those that the next step starts from} {@link
     * #swapEvaluationWeights} exchanges the two.
     */
    default boolean averagesWeights() {
        return false;
    }

    /** Puts the weights that are to be evaluated and kept in the place of the trained ones; a second time brings these back, bit for bit. */
    default void swapEvaluationWeights() {}

    @Override
    void close();
}
