package org.finetune4j.peft.lntuning;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Norm;
import org.finetune4j.peft.AdapterConstruction;
import org.finetune4j.peft.AdapterDType;
import org.finetune4j.peft.AdapterWeights;
import org.finetune4j.peft.CopyAdapter;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.PeftAdapter;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.peft.TrainedCopy;
import org.finetune4j.strategy.DeltaKind;
import org.jspecify.annotations.Nullable;

/** Tuning of layer norms (Zhao et al. 2023): their weights and biases train, in copies, and nothing else. */
public final class LnTuning implements PeftStrategy {

    static final String PEFT_TYPE = "LN_TUNING";

    private static final List<Class<? extends Module>> NORMS = List.of(Norm.class);

    private final ModuleSelection modules;

    private LnTuning(ModuleSelection modules) {
        this.modules = modules;
    }

    /**
     * Trains the norms that are selected.
     *
     * @param modules the norms, and modules that train as a whole
     * @return the method
     */
    public static LnTuning of(ModuleSelection modules) {
        return new LnTuning(modules);
    }

    @Override
    public String method() {
        return "ln_tuning";
    }

    @Override
    public DeltaKind deltaKind() {
        return DeltaKind.SPECIFICATION;
    }

    @Override
    public PeftAdapter attach(CausalLM model, boolean trainable) {
        Map<String, Module> norms = modules.select(model, PEFT_TYPE, NORMS);
        try (AdapterConstruction construction = AdapterConstruction.on(model)) {
            List<TrainedCopy> copies = new ArrayList<>();
            norms.forEach((path, norm) -> norm.ownParameters().keySet().forEach(name -> {
                String key = AdapterWeights.PREFIX + path + ".ln_tuning_layers." + name;
                copies.add(TrainedCopy.of(key, path, norm, name, AdapterDType.of(model), trainable));
            }));
            copies.addAll(modules.savedModules(model, norms.keySet(), trainable));
            Map<String, @Nullable Object> json = new LinkedHashMap<>();
            json.put("peft_type", PEFT_TYPE);
            json.putAll(modules.toJson(PEFT_TYPE, model, norms.keySet()));
            return construction.complete(CopyAdapter.of(model, copies, json));
        }
    }

    @Override
    public Map<String, Object> settings() {
        return Map.of("target_modules", modules.describeTargets());
    }
}
