package org.finetune4j.train.optimizer;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.Parameter;

/**
 * Parameters that are updated with the same weight decay.
 *
 * @param weightDecay decoupled decay, multiplied by the learning rate in every step
 */
public record ParameterGroup(List<Parameter> parameters, double weightDecay) {

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
}
