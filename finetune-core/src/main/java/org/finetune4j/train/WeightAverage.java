package org.finetune4j.train;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterPart;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/**
 * The exponential moving average of the trained weights (Polyak and Juditsky 1992): after every step
 * {@code average = decay * average + (1 - decay) * weight}. It begins with the first weights. It is kept in float32 at
 * least: in fewer bits a weight's small share would be rounded away.
 */
final class WeightAverage implements AutoCloseable {

    private final double decay;
    private final Map<Parameter, Tensor> averages = new LinkedHashMap<>();

    /** Weights of another type than their averages, while these stand in their place. */
    private final Map<Parameter, Tensor> weights = new LinkedHashMap<>();

    /** @param decay 0 for no average */
    WeightAverage(List<Parameter> parameters, double decay) {
        this.decay = decay;
        if (decay > 0) {
            try (Autograd.Mode mode = Autograd.disabled();
                    TensorScope scope = TensorScope.open()) {
                for (Parameter parameter : parameters) {
                    Tensor weight = parameter.local().detach();
                    Tensor average = weight.to(weight.dtype().atLeastFloat32());
                    averages.put(parameter, (average.isSame(weight) ? weight.copy() : average).unscoped());
                }
            }
        }
    }

    boolean isOn() {
        return decay > 0;
    }

    void update() {
        try (Autograd.Mode mode = Autograd.disabled()) {
            averages.forEach((parameter, average) -> {
                try (TensorScope scope = TensorScope.open()) {
                    Tensor weight = parameter.local().detach().to(average.dtype());
                    average.mulInPlace(decay).addScaledInPlace(weight, 1 - decay);
                }
            });
        }
    }

    /** Puts averages in the place of the weights; a second time brings the weights back. */
    void swap() {
        boolean back = !weights.isEmpty();
        try (Autograd.Mode mode = Autograd.disabled()) {
            averages.forEach((parameter, average) -> {
                try (TensorScope scope = TensorScope.open()) {
                    Tensor weight = parameter.local().detach();
                    if (average.dtype() == weight.dtype()) {
                        Tensor kept = weight.copy();
                        weight.copyInPlace(average);
                        average.copyInPlace(kept);
                    } else if (back) {
                        weight.copyInPlace(Objects.requireNonNull(weights.get(parameter)));
                    } else {
                        weights.put(parameter, weight.copy().unscoped());
                        weight.copyInPlace(average);
                    }
                }
            });
        }
        if (back) {
            forgetWeights();
        }
    }

    private void forgetWeights() {
        weights.values().forEach(Tensor::close);
        weights.clear();
    }

    /** What this process has of the averages, each where the parameter's own part belongs. */
    Map<String, ParameterPart> state() {
        Map<String, ParameterPart> state = new LinkedHashMap<>();
        averages.forEach((parameter, average) ->
                state.put(parameter.name(), parameter.form().part().withValues(average)));
        return state;
    }

    /** @throws UserErrorException when the run that is resumed kept averages of other parameters, or this one keeps none */
    void restore(Map<String, Tensor> state) {
        if (averages.isEmpty() && !state.isEmpty()) {
            throw new UserErrorException(
                    "the checkpoint has averages of its weights: set ema_decay as the run that is resumed had it");
        }
        averages.forEach((parameter, average) -> {
            Tensor saved = state.get(parameter.name());
            if (saved == null) {
                throw new UserErrorException(
                        "the checkpoint has no average of " + parameter.name() + ": its run had no ema_decay");
            }
            parameter.form().part().fill(average, saved);
        });
    }

    @Override
    public void close() {
        averages.values().forEach(Tensor::close);
        averages.clear();
        forgetWeights();
    }
}
