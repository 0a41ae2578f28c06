package org.finetune4j.peft;

import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.strategy.AdapterContract;
import org.finetune4j.strategy.FineTuningStrategy;

/** The contract of a method that works on chosen modules, with what its formulas need. */
public abstract class TargetedContract extends AdapterContract {

    /** The method on these modules. */
    protected abstract FineTuningStrategy strategy(ModuleSelection modules);

    @Override
    protected FineTuningStrategy strategy() {
        return strategy(ModuleSelection.of(new TargetModules.AllLinear()));
    }

    @Override
    protected Optional<FineTuningStrategy> withTarget(String name) {
        return Optional.of(strategy(ModuleSelection.of(new TargetModules.Names(List.of(name)))));
    }

    /** The linear layers whose last name is one of these. */
    protected static List<Linear> layers(CausalLM model, List<String> names) {
        return model.network().namedModules().entrySet().stream()
                .filter(entry -> entry.getValue() instanceof Linear)
                .filter(entry -> names.contains(leaf(entry.getKey())))
                .map(entry -> (Linear) entry.getValue())
                .toList();
    }

    /** All linear layers but the output layer. */
    protected static List<Linear> allLinear(CausalLM model) {
        return layers(
                model,
                model.linearLayerNames().stream()
                        .filter(path -> !path.equals("lm_head"))
                        .map(TargetedContract::leaf)
                        .toList());
    }

    /** Where LoRA goes when nobody says where. */
    protected static List<Linear> defaultTargets(CausalLM model) {
        TargetModules defaults = DefaultTargets.of("LORA", model);
        return model.network().namedModules().entrySet().stream()
                .filter(entry -> defaults.matches(entry.getKey()))
                .map(entry -> (Linear) entry.getValue())
                .toList();
    }

    /** {@code rank * (in + out)} for every layer. */
    protected static long matrices(List<Linear> layers, int rank) {
        return layers.stream()
                .mapToLong(layer -> rank * (layer.inFeatures() + layer.outFeatures()))
                .sum();
    }

    /** The number of elements of all biases. */
    protected static long biases(CausalLM model) {
        return model.network().namedModules().values().stream()
                .map(Module::ownParameters)
                .filter(own -> own.containsKey("bias"))
                .mapToLong(
                        own -> Objects.requireNonNull(own.get("bias")).value().numel())
                .sum();
    }

    private static String leaf(String path) {
        return path.substring(path.lastIndexOf('.') + 1);
    }
}
