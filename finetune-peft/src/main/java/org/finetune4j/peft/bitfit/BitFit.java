package org.finetune4j.peft.bitfit;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.AdapterConstruction;
import org.finetune4j.peft.AdapterDType;
import org.finetune4j.peft.AdapterWeights;
import org.finetune4j.peft.CopyAdapter;
import org.finetune4j.peft.PeftAdapter;
import org.finetune4j.peft.PeftKeys;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.peft.SavedModules;
import org.finetune4j.peft.TargetModules;
import org.finetune4j.peft.TrainedCopy;
import org.finetune4j.strategy.DeltaKind;
import org.jspecify.annotations.Nullable;

/** BitFit (Ben Zaken et al. 2022): the biases of a model train, in copies, and nothing else but a classifier's head. */
public final class BitFit implements PeftStrategy {

    static final String TYPE = "BITFIT";
    static final String TARGETS = "target_modules";

    private final List<String> targets;

    private BitFit(List<String> targets) {
        this.targets = List.copyOf(targets);
    }

    /**
     * Trains every bias.
     *
     * @return the method
     */
    public static BitFit all() {
        return new BitFit(List.of());
    }

    /**
     * Trains the biases of modules with these names, such as the query and the second feed-forward layer's.
     *
     * @param targets names of modules, or ends of their paths
     * @return the method
     */
    public static BitFit of(List<String> targets) {
        return new BitFit(targets);
    }

    @Override
    public String method() {
        return "bitfit";
    }

    @Override
    public DeltaKind deltaKind() {
        return DeltaKind.SPECIFICATION;
    }

    @Override
    public PeftAdapter attach(CausalLM model, boolean trainable) {
        try (AdapterConstruction construction = AdapterConstruction.on(model)) {
            List<TrainedCopy> copies = new ArrayList<>(SavedModules.ofHead(model, AdapterWeights.PREFIX, trainable));
            Set<String> heads = copies.stream().map(TrainedCopy::module).collect(Collectors.toSet());
            Set<String> used = new LinkedHashSet<>();
            Set<String> biased = new LinkedHashSet<>();
            model.network().namedModules().forEach((path, module) -> {
                if (module.ownParameters().containsKey("bias")) {
                    biased.add(path.substring(path.lastIndexOf('.') + 1));
                    List<String> matching = targets.stream()
                            .filter(name -> TargetModules.endsWith(path, name))
                            .toList();
                    used.addAll(matching);
                    boolean isMeant = targets.isEmpty() || !matching.isEmpty();
                    if (isMeant && !heads.contains(path)) {
                        String key = AdapterWeights.PREFIX + path + ".bias";
                        copies.add(TrainedCopy.of(key, path, module, "bias", AdapterDType.of(model), trainable));
                    }
                }
            });
            check(used, biased);
            Map<String, @Nullable Object> json = new LinkedHashMap<>();
            json.put("peft_type", TYPE);
            json.put(TARGETS, PeftKeys.orNull(targets));
            return construction.complete(CopyAdapter.of(model, copies, json));
        }
    }

    private void check(Set<String> used, Set<String> biased) {
        if (biased.isEmpty()) {
            throw new UserErrorException("this model has no bias to train: choose another method, such as ln_tuning");
        }
        for (String name : targets) {
            if (!used.contains(name)) {
                throw new UserErrorException(
                        TARGETS + ": '" + name + "' matches no module with a bias" + Suggestions.among(name, biased));
            }
        }
    }

    @Override
    public Map<String, Object> settings() {
        return targets.isEmpty() ? Map.of() : Map.of(TARGETS, targets);
    }
}
