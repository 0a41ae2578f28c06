package org.finetune4j.train;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/**
 * The exponential moving average of the trained weights (Polyak and Juditsky 1992): after every step
 * {@code average = decay * average + (1 - decay) * weight}. It begins with the first weights.
 */
final class WeightAverage implements AutoCloseable {

    private final double decay;
    private final Map<Parameter, Tensor> averages = new LinkedHashMap<>();

    /** @param decay 0 for no average */
    WeightAverage(List<Parameter> parameters, double decay) {
        this.decay = decay;
        if (decay > 0) {
            try (Autograd.Mode mode = Autograd.disabled();
                    TensorScope scope = TensorScope.open()) {
                parameters.forEach(parameter -> averages.put(
                        parameter, parameter.value().detach().copy().unscoped()));
            }
        }
    }

    boolean isOn() {
        return decay > 0;
    }

    void update() {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            averages.forEach((parameter, average) ->
                    average.mulInPlace(decay).addScaledInPlace(parameter.value().detach(), 1 - decay));
        }
    }

    /** Exchanges weights and averages; a second time brings the weights back. */
    void swap() {
        try (Autograd.Mode mode = Autograd.disabled()) {
            averages.forEach((parameter, average) -> {
                try (TensorScope scope = TensorScope.open()) {
                    Tensor weight = parameter.value().detach();
                    Tensor kept = weight.copy();
                    weight.copyInPlace(average);
                    average.copyInPlace(kept);
                }
            });
        }
    }

    Map<String, Tensor> state() {
        Map<String, Tensor> state = new LinkedHashMap<>();
        averages.forEach((parameter, average) -> state.put(parameter.name(), average));
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
            average.copyInPlace(saved);
        });
    }

    @Override
    public void close() {
        averages.values().forEach(Tensor::close);
        averages.clear();
    }
}
