package org.finetune4j.train.optimizer;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.offload.StateMemory;
import org.jspecify.annotations.Nullable;

/**
 * Keeps the exponential moving average of the weights that another optimizer trains (Polyak and Juditsky 1992): after every step {@code
 * average = decay * average + (1 - decay) * weight}. It begins with the first weights. Weights of fewer than 32 bits have masters, which
 * are what is averaged: a weight's small share would be rounded away. To whoever saves, shares out or files away states an average is one
 * of them.
 */
final class WeightAverage implements Optimizer {

    static final String KIND = "average";

    private final Optimizer training;
    private final List<Parameter> parameters;
    private final double decay;
    private final ParameterStates averages = new ParameterStates(KIND);
    private @Nullable StateMemory memory;

    /** @param training changes the parameters; closed with this */
    WeightAverage(Optimizer training, List<ParameterGroup> groups, double decay) {
        this.training = training;
        this.parameters =
                groups.stream().flatMap(group -> group.parameters().stream()).toList();
        this.decay = decay;
    }

    @Override
    public void step(double learningRate) {
        begin();
        training.step(learningRate);
    }

    @Override
    public boolean stepsInParts() {
        return training.stepsInParts();
    }

    @Override
    public OpenStep openStep(double learningRate) {
        begin();
        return training.openStep(learningRate);
    }

    private void begin() {
        each((parameter, weight) -> {
            if (!averages.has(parameter)) {
                averages.of(parameter).copyInPlace(weight);
            }
        });
    }

    @Override
    public void finishStep() {
        training.finishStep();
        each((parameter, weight) -> averages.of(parameter).mulInPlace(decay).addScaledInPlace(weight, 1 - decay));
    }

    private void each(BiConsumer<Parameter, Tensor> action) {
        try (Autograd.Mode mode = Autograd.disabled()) {
            for (Parameter parameter : parameters) {
                try (TensorScope scope = TensorScope.open()) {
                    action.accept(parameter, parameter.local().detach());
                    if (memory != null) {
                        memory.touch(averages.has(parameter) ? List.of(averages.of(parameter)) : List.of());
                    }
                }
            }
        }
    }

    @Override
    public boolean averagesWeights() {
        return true;
    }

    @Override
    public void swapEvaluationWeights() {
        each((parameter, weight) -> {
            if (averages.has(parameter)) {
                Tensor kept = weight.copy();
                weight.copyInPlace(averages.of(parameter));
                averages.of(parameter).copyInPlace(kept);
            }
        });
    }

    @Override
    public void keepStatesIn(StateMemory place) {
        memory = place;
        averages.keepIn(place);
        training.keepStatesIn(place);
    }

    @Override
    public void clearGradients() {
        training.clearGradients();
    }

    @Override
    public Map<String, Tensor> state() {
        Map<String, Tensor> state = new LinkedHashMap<>(training.state());
        averages.saveTo(state, parameters);
        return state;
    }

    @Override
    public void restore(Map<String, Tensor> state) {
        training.restore(state);
        averages.restore(state, parameters);
        for (Parameter parameter : parameters) {
            if (!averages.has(parameter)) {
                throw new UserErrorException(
                        "the checkpoint has no average of " + parameter.name() + ": its run had no ema_decay");
            }
        }
    }

    @Override
    public void close() {
        training.close();
        averages.close();
    }
}
