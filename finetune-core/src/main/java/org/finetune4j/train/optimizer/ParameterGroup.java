package org.finetune4j.train.optimizer;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.Parameter;

/**
 * Parameters that are updated with the same weight decay and learning rate.
 *
 * @param weightDecay decoupled decay, multiplied by the learning rate in every step
 * @param learningRateFactor what the learning rate is multiplied by
 */
public record ParameterGroup(List<Parameter> parameters, double weightDecay, double learningRateFactor) {

    /** A group that is updated with the learning rate itself. */
    public ParameterGroup(List<Parameter> parameters, double weightDecay) {
        this(parameters, weightDecay, 1);
    }

    public ParameterGroup {
        parameters = List.copyOf(parameters);
    }

    /**
     * Splits as transformers' Trainer does: everything decays but the parameters of norms, and biases.
     *
     * @param model where the norms are found
     */
    public static List<ParameterGroup> withoutNormsAndBiases(
            Module model, Collection<Parameter> trainable, double weightDecay) {
        Set<Parameter> ofNorms = Collections.newSetFromMap(new IdentityHashMap<>());
        for (Module module : model.namedModules().values()) {
            if (module instanceof Norm) {
                ofNorms.addAll(module.allParameters());
            }
        }
        List<Parameter> decayed = new ArrayList<>();
        List<Parameter> plain = new ArrayList<>();
        for (Parameter parameter : trainable) {
            boolean isBias = parameter.name().endsWith("bias");
            (isBias || ofNorms.contains(parameter) ? plain : decayed).add(parameter);
        }
        return List.of(new ParameterGroup(decayed, weightDecay), new ParameterGroup(plain, 0));
    }

    /** One group: everything decays. */
    public static List<ParameterGroup> all(Collection<Parameter> trainable, double weightDecay) {
        return List.of(new ParameterGroup(List.copyOf(trainable), weightDecay));
    }

    /** Splits groups further by the learning rate of each parameter, keeping the order. */
    public static List<ParameterGroup> byLearningRate(
            List<ParameterGroup> groups, ToDoubleFunction<Parameter> learningRateFactor) {
        List<ParameterGroup> split = new ArrayList<>();
        for (ParameterGroup group : groups) {
            Map<Double, List<Parameter>> byFactor = new LinkedHashMap<>();
            for (Parameter parameter : group.parameters()) {
                double factor = learningRateFactor.applyAsDouble(parameter);
                byFactor.computeIfAbsent(factor, key -> new ArrayList<>()).add(parameter);
            }
            byFactor.forEach((factor, parameters) -> split.add(
                    new ParameterGroup(parameters, group.weightDecay(), group.learningRateFactor() * factor)));
        }
        return split;
    }
}
