package org.finetune4j.train.optimizer;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.offload.StateMemory;
import org.jspecify.annotations.Nullable;

/**
 * What optimizers that update one parameter after another have in common: counting steps, saving and restoring states,
 * freeing them. A subclass says how one parameter moves.
 */
abstract class StatefulOptimizer implements Optimizer {

    private static final String STEP = "step";

    private final List<ParameterGroup> groups;
    private final List<ParameterStates> states;
    private @Nullable StateMemory memory;
    private long steps;

    /** @param states all kinds of state that the subclass keeps */
    StatefulOptimizer(List<ParameterGroup> groups, ParameterStates... states) {
        this.groups = List.copyOf(groups);
        this.states = List.of(states);
    }

    /**
     * Moves one parameter in place. Nothing is recorded, and tensors made here are freed afterwards.
     *
     * @param value the parameter's values
     * @param gradient contiguous, of the same shape; the gradient itself, so do not change it
     * @param learningRate the group's
     */
    abstract void update(Parameter parameter, Tensor value, Tensor gradient, ParameterGroup group, double learningRate);

    /**
     * Told of every step before parameters move, for what does not belong to one of them.
     *
     * @param learningRate of this step, before the factors of groups
     */
    void begin(double learningRate) {}

    /** What belongs to no parameter and must be saved as well. */
    Map<String, Tensor> ownState() {
        return Map.of();
    }

    /** Takes over what {@link #ownState} gave, where the state has it. */
    void restoreOwn(Map<String, Tensor> state) {}

    /** All parameters, in their groups. */
    final List<ParameterGroup> groups() {
        return groups;
    }

    /** Number of the present step, from 1. */
    final long steps() {
        return steps;
    }

    @Override
    public final void step(double learningRate) {
        steps++;
        begin(learningRate);
        step(groups, learningRate);
    }

    private void step(List<ParameterGroup> some, double learningRate) {
        try (Autograd.Mode mode = Autograd.disabled()) {
            for (ParameterGroup group : some) {
                try (TensorScope scope = TensorScope.open()) {
                    step(group, learningRate * group.learningRateFactor());
                }
            }
        }
    }

    @Override
    public boolean stepsInParts() {
        return true;
    }

    @Override
    public final OpenStep openStep(double learningRate) {
        steps++;
        begin(learningRate);
        return parameters -> step(ParameterGroup.only(groups, parameters), learningRate);
    }

    /** Moves all parameters of a group; for those that can do many at once. */
    void step(ParameterGroup group, double learningRate) {
        for (Parameter parameter : group.parameters()) {
            try (TensorScope scope = TensorScope.open()) {
                Tensor gradient = parameter.grad();
                if (gradient != null) {
                    update(parameter, parameter.local().detach(), gradient.contiguous(), group, learningRate);
                    used(List.of(parameter));
                }
            }
        }
    }

    @Override
    public final void keepStatesIn(StateMemory place) {
        memory = place;
        states.forEach(state -> state.keepIn(place));
    }

    /** Says that parameters were updated: they and their states may give way to the next ones. */
    final void used(List<Parameter> parameters) {
        StateMemory place = memory;
        if (place != null) {
            List<Tensor> used = new ArrayList<>();
            for (Parameter parameter : parameters) {
                states.forEach(state -> state.addTo(used, parameter));
                used.addAll(parameter.form().memory());
            }
            place.touch(used);
        }
    }

    @Override
    public final void clearGradients() {
        groups.forEach(group -> group.parameters().forEach(Parameter::clearGrad));
    }

    @Override
    public final Map<String, Tensor> state() {
        Map<String, Tensor> saved = ParameterStates.ordered();
        saved.put(STEP, Tensors.of(new long[] {steps}, 1));
        saved.putAll(ownState());
        for (ParameterGroup group : groups) {
            states.forEach(state -> state.saveTo(saved, group.parameters()));
        }
        return saved;
    }

    @Override
    public final void restore(Map<String, Tensor> state) {
        Tensor step = state.get(STEP);
        steps = step == null ? 0 : step.toLongArray()[0];
        restoreOwn(state);
        for (ParameterGroup group : groups) {
            states.forEach(kind -> kind.restore(state, group.parameters()));
        }
    }

    @Override
    public void close() {
        states.forEach(ParameterStates::close);
    }
}
