package org.finetune4j.dist.zero;

import java.util.Map;
import java.util.function.Consumer;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.train.offload.StateMemory;
import org.finetune4j.train.optimizer.Optimizer;
import org.jspecify.annotations.Nullable;

/** An optimizer of what one rank updates, after which something follows: the ranks tell each other what they have made. */
final class RanksOptimizer implements Optimizer {

    private final Optimizer own;
    private final Exchange exchange;
    private final Runnable clear;
    private @Nullable StateMemory memory;

    /** Brings the new weights to all ranks. */
    @FunctionalInterface
    interface Exchange {

        /** @param arrived is told of parameters that have their new values */
        void run(Consumer<Parameter> arrived);
    }

    /**
     * @param own of this rank
     * @param exchange follows every step
     * @param clear drops all gradients, of what other ranks update too
     */
    RanksOptimizer(Optimizer own, Exchange exchange, Runnable clear) {
        this.own = own;
        this.exchange = exchange;
        this.clear = clear;
    }

    private void exchange() {
        StateMemory place = memory;
        exchange.run(
                place == null
                        ? parameter -> {}
                        : parameter -> place.touch(parameter.form().memory()));
    }

    @Override
    public void keepStatesIn(StateMemory place) {
        memory = place;
        own.keepStatesIn(place);
    }

    @Override
    public void step(double learningRate) {
        own.step(learningRate);
        exchange();
    }

    @Override
    public void finishStep() {
        own.finishStep();
    }

    @Override
    public boolean averagesWeights() {
        return own.averagesWeights();
    }

    @Override
    public void swapEvaluationWeights() {
        if (own.averagesWeights()) {
            own.swapEvaluationWeights();
            exchange();
        }
    }

    @Override
    public void clearGradients() {
        own.clearGradients();
        clear.run();
    }

    @Override
    public Map<String, Tensor> state() {
        return own.state();
    }

    @Override
    public void restore(Map<String, Tensor> state) {
        own.restore(state);
    }

    @Override
    public void close() {
        own.close();
    }
}
