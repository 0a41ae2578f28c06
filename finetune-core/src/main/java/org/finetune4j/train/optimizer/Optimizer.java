package org.finetune4j.train.optimizer;

import java.util.Collection;
import java.util.Map;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.train.offload.StateMemory;

/** Changes parameters by their gradients. It owns its state, which is native memory: close it. */
public interface Optimizer extends AutoCloseable {

    /**
     * One update of every parameter that has a gradient.
     *
     * @param learningRate of this step, before the factors of groups
     */
    void step(double learningRate);

    /** A step that is under way. */
    @FunctionalInterface
    interface OpenStep {

        /**
         * Updates some parameters, by the gradients that they have now.
         *
         * @param parameters each at most once a step; those of others, and those without a gradient, are passed over
         */
        void update(Collection<Parameter> parameters);
    }

    /** {@return whether a parameter can be updated before the gradients of others are known, see {@link #openStep}} */
    default boolean stepsInParts() {
        return false;
    }

    /**
     * Begins a step that goes on while gradients come. Together its parts are what {@link #step} does.
     *
     * @param learningRate of this step, before the factors of groups
     * @return updates some parameters after the others
     * @throws UnsupportedOperationException unless {@link #stepsInParts}
     */
    default OpenStep openStep(double learningRate) {
        throw new UnsupportedOperationException(getClass().getSimpleName() + " updates all parameters together");
    }

    /** Told when all that changes weights in a step is done, what a method does after the update included. */
    default void finishStep() {}

    /**
     * Keeps states in a memory, before the first step or {@link #restore}, and tells it what of states and parameters is in use.
     *
     * @param memory of the CPU, which its owner closes after this
     */
    void keepStatesIn(StateMemory memory);

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
