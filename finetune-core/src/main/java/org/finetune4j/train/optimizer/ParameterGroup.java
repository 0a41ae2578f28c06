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
 * Parameters that are updated with the same weight decay and the same share of the learning rate.
 *
 * @param parameters those of the group; copied
 * @param weightDecay multiplied by the learning rate in every step, where the optimizer decouples it
 * @param learningRateFactor what the run's learning rate is multiplied by; LoRA+ trains B faster than A
 */
public record ParameterGroup(List<Parameter> parameters, double weightDecay, double learningRateFactor) {

    /**
     * Copies the parameters.
     *
     * @param parameters those of the group
     * @param weightDecay multiplied by the learning rate in every step, where the optimizer decouples it
     * @param learningRateFactor what the run's learning rate is multiplied by; LoRA+ trains B faster than A
     */
    public ParameterGroup {
        parameters = List.copyOf(parameters);
    }

    /**
     * A group with the run's own learning rate.
     *
     * @param parameters those of the group; copied
     * @param weightDecay 0 for none
     */
    public ParameterGroup(List<Parameter> parameters, double weightDecay) {
        this(parameters, weightDecay, 1);
    }

    /**
     * Splits as transformers' Trainer does: everything decays but the parameters of norms, and biases.
     *
     * @param model where the norms are found
     * @param trainable what the optimizer changes
     * @param weightDecay 0 for none
     * @return two groups: what decays, and what does not
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

    /**
     * One group: everything decays.
     *
     * @param trainable what the optimizer changes
     * @param weightDecay 0 for none
     * @return a list of one
     */
    public static List<ParameterGroup> all(Collection<Parameter> trainable, double weightDecay) {
        return List.of(new ParameterGroup(List.copyOf(trainable), weightDecay));
    }

    /**
     * Leaves parameters out of groups.
     *
     * @param groups of any parameters
     * @param wanted those to keep; others than the groups' do not matter
     * @return the groups that have some of them, with those alone
     */
    public static List<ParameterGroup> only(List<ParameterGroup> groups, Collection<Parameter> wanted) {
        Set<Parameter> kept = Collections.newSetFromMap(new IdentityHashMap<>());
        kept.addAll(wanted);
        List<ParameterGroup> some = new ArrayList<>();
        for (ParameterGroup group : groups) {
            List<Parameter> own =
                    group.parameters().stream().filter(kept::contains).toList();
            if (!own.isEmpty()) {
                some.add(new ParameterGroup(own, group.weightDecay(), group.learningRateFactor()));
            }
        }
        return some;
    }

    /**
     * {@return the groups split further, so that all parameters of one share a factor; the order stays}
     *
     * @param groups whose own factors stay, multiplied by the new ones
     * @param factor gives what the learning rate of a parameter is multiplied by
     */
    public static List<ParameterGroup> byLearningRate(List<ParameterGroup> groups, ToDoubleFunction<Parameter> factor) {
        List<ParameterGroup> split = new ArrayList<>();
        for (ParameterGroup group : groups) {
            Map<Double, List<Parameter>> byFactor = new LinkedHashMap<>();
            for (Parameter parameter : group.parameters()) {
                byFactor.computeIfAbsent(factor.applyAsDouble(parameter), key -> new ArrayList<>())
                        .add(parameter);
            }
            byFactor.forEach((value, parameters) ->
                    split.add(new ParameterGroup(parameters, group.weightDecay(), group.learningRateFactor() * value)));
        }
        return split;
    }
}
