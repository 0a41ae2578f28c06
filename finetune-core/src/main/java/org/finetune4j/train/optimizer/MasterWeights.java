package org.finetune4j.train.optimizer;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.offload.StateMemory;

/**
 * Mixed precision (Micikevicius et al. 2018) for any optimizer: parameters that train in fewer than 32 bits have a float32
 * master, which the optimizer updates, and take its rounded values. A step of less than half of a bfloat16's last digit
 * would change nothing by itself, however often it comes; in the master such steps add up. The masters are part of the
 * optimizer's state, as are its own states, which are in float32 too.
 */
public final class MasterWeights implements Optimizer {

    private static final String SUFFIX = ".master";

    private final Optimizer optimizer;
    private final Map<Parameter, MasterValue> masters;
    private final Map<Parameter, Parameter> updated;

    /** @param updated what the optimizer changes in the place of each parameter that has a master */
    private MasterWeights(Optimizer optimizer, Map<Parameter, MasterValue> masters, Map<Parameter, Parameter> updated) {
        this.optimizer = optimizer;
        this.masters = masters;
        this.updated = updated;
    }

    /**
     * Makes an optimizer, with masters where it needs some.
     *
     * @param provider makes the optimizer itself
     * @param groups every trainable parameter once
     * @param tables those among them that are token embeddings or the output layer
     * @param options the settings
     * @return the provider's own optimizer where every parameter trains in float32 at least
     * @throws UserErrorException when a setting cannot be used
     */
    public static Optimizer optimizer(
            OptimizerProvider provider, List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options) {
        Map<Parameter, MasterValue> masters = new LinkedHashMap<>();
        IdentityHashMap<Parameter, Parameter> updated = new IdentityHashMap<>();
        List<ParameterGroup> ofMasters = new ArrayList<>();
        for (ParameterGroup group : groups) {
            List<Parameter> parameters = new ArrayList<>();
            for (Parameter parameter : group.parameters()) {
                if (needsMaster(parameter.dtype())) {
                    MasterValue master = new MasterValue(parameter);
                    masters.put(parameter, master);
                    updated.put(parameter, new Parameter(parameter.name(), master));
                }
                parameters.add(updated.getOrDefault(parameter, parameter));
            }
            ofMasters.add(new ParameterGroup(parameters, group.weightDecay(), group.learningRateFactor()));
        }
        if (masters.isEmpty()) {
            return provider.create(groups, tables, options);
        }
        Set<Parameter> updatedTables = Collections.newSetFromMap(new IdentityHashMap<>());
        tables.forEach(table -> updatedTables.add(updated.getOrDefault(table, table)));
        return new MasterWeights(provider.create(ofMasters, updatedTables, options), masters, updated);
    }

    /**
     * Whether parameters of a type have masters.
     *
     * @param dtype that a parameter trains in
     * @return true for floating-point types of fewer than 32 bits
     */
    public static boolean needsMaster(DType dtype) {
        return dtype.isFloatingPoint() && dtype.itemSize() < Float.BYTES;
    }

    @Override
    public void step(double learningRate) {
        optimizer.step(learningRate);
        masters.values().forEach(MasterValue::round);
    }

    @Override
    public void finishStep() {
        optimizer.finishStep();
    }

    @Override
    public boolean stepsInParts() {
        return optimizer.stepsInParts();
    }

    @Override
    public OpenStep openStep(double learningRate) {
        OpenStep open = optimizer.openStep(learningRate);
        return parameters -> {
            open.update(parameters.stream()
                    .map(parameter -> updated.getOrDefault(parameter, parameter))
                    .toList());
            for (Parameter parameter : parameters) {
                MasterValue master = masters.get(parameter);
                if (master != null) {
                    master.round();
                }
            }
        };
    }

    @Override
    public boolean averagesWeights() {
        return optimizer.averagesWeights();
    }

    @Override
    public void swapEvaluationWeights() {
        if (optimizer.averagesWeights()) {
            optimizer.swapEvaluationWeights();
            masters.values().forEach(MasterValue::round);
        }
    }

    @Override
    public void keepStatesIn(StateMemory memory) {
        masters.values().forEach(master -> master.keepIn(memory));
        optimizer.keepStatesIn(memory);
    }

    @Override
    public void clearGradients() {
        optimizer.clearGradients();
    }

    @Override
    public Map<String, Tensor> state() {
        Map<String, Tensor> saved = new LinkedHashMap<>(optimizer.state());
        masters.forEach((parameter, master) -> {
            Tensor made = master.made();
            if (made != null) {
                saved.put(parameter.name() + SUFFIX, made);
            }
        });
        return saved;
    }

    /** Without a saved master, as in a state of one who had none, it begins anew from the parameter. */
    @Override
    public void restore(Map<String, Tensor> state) {
        Map<String, Tensor> ofOptimizer = new LinkedHashMap<>(state);
        masters.forEach((parameter, master) -> {
            Tensor saved = ofOptimizer.remove(parameter.name() + SUFFIX);
            master.close();
            if (saved != null) {
                try (TensorScope scope = TensorScope.open()) {
                    requireShape(parameter, saved, master.tensor());
                    master.set(saved);
                }
            }
        });
        optimizer.restore(ofOptimizer);
    }

    private static void requireShape(Parameter parameter, Tensor saved, Tensor own) {
        if (!Arrays.equals(saved.shape(), own.shape())) {
            throw new UserErrorException("optimizer state '" + parameter.name() + SUFFIX + "' has the shape "
                    + Arrays.toString(saved.shape()) + ", but the parameter needs "
                    + Arrays.toString(own.shape()));
        }
    }

    @Override
    public void close() {
        optimizer.close();
        masters.values().forEach(MasterValue::close);
    }
}
