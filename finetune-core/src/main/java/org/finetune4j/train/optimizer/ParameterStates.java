package org.finetune4j.train.optimizer;

import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.offload.StateMemory;
import org.jspecify.annotations.Nullable;

/** One kind of optimizer state: a tensor a parameter, made of zeros when first asked for. */
final class ParameterStates implements AutoCloseable {

    private final String name;
    private final UnaryOperator<long[]> stateShape;
    private final IdentityHashMap<Parameter, Tensor> states = new IdentityHashMap<>();
    private @Nullable StateMemory memory;

    /** States of the parameters' own shapes. */
    ParameterStates(String name) {
        this(name, shape -> shape);
    }

    /** @param stateShape from a parameter's shape to its state's */
    ParameterStates(String name, UnaryOperator<long[]> stateShape) {
        this.name = name;
        this.stateShape = stateShape;
    }

    Tensor of(Parameter parameter) {
        return states.computeIfAbsent(parameter, key -> {
            Tensor value = key.local();
            long[] shape = stateShape.apply(value.shape());
            return memory == null
                    ? Tensors.zeros(value.dtype(), value.device(), shape).unscoped()
                    : memory.zeros(value.dtype(), shape);
        });
    }

    /** Says where states go that are made from now on. */
    void keepIn(StateMemory place) {
        memory = place;
    }

    /** Adds a parameter's state, where it has one. */
    void addTo(List<Tensor> used, Parameter parameter) {
        Tensor state = states.get(parameter);
        if (state != null) {
            used.add(state);
        }
    }

    /** Whether a parameter has its state already. */
    boolean has(Parameter parameter) {
        return states.containsKey(parameter);
    }

    void saveTo(Map<String, Tensor> saved, List<Parameter> parameters) {
        for (Parameter parameter : parameters) {
            Tensor state = states.get(parameter);
            if (state != null) {
                saved.put(key(parameter), state);
            }
        }
    }

    void restore(Map<String, Tensor> saved, List<Parameter> parameters) {
        for (Parameter parameter : parameters) {
            Tensor state = saved.get(key(parameter));
            if (state != null) {
                long[] expected = stateShape.apply(parameter.local().shape());
                if (!Arrays.equals(state.shape(), expected)) {
                    throw new UserErrorException("optimizer state '" + key(parameter) + "' has the shape "
                            + Arrays.toString(state.shape()) + ", but the parameter needs "
                            + Arrays.toString(expected));
                }
                of(parameter).copyInPlace(state);
            }
        }
    }

    /** An empty map for saved states, in the order in which they are put. */
    static Map<String, Tensor> ordered() {
        return new LinkedHashMap<>();
    }

    private String key(Parameter parameter) {
        return parameter.name() + "." + name;
    }

    @Override
    public void close() {
        if (memory == null) {
            states.values().forEach(Tensor::close);
        }
        states.clear();
    }
}
