package org.finetune4j.dist.zero;

import java.util.Map;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.train.optimizer.Optimizer;

/**
 * An optimizer of what one rank updates, after which something follows: the ranks tell each other what they have made.
 *
 * @param own of this rank
 * @param exchange brings the new weights to all ranks
 * @param clear drops all gradients, of what other ranks update too
 */
record RanksOptimizer(Optimizer own, Runnable exchange, Runnable clear) implements Optimizer {

    @Override
    public void step(double learningRate) {
        own.step(learningRate);
        exchange.run();
    }

    @Override
    public boolean averagesWeights() {
        return own.averagesWeights();
    }

    @Override
    public void swapEvaluationWeights() {
        if (own.averagesWeights()) {
            own.swapEvaluationWeights();
            exchange.run();
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
