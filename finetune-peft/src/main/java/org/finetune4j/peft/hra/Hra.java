package org.finetune4j.peft.hra;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.peft.LayerFactory;
import org.finetune4j.peft.LinearStrategy;
import org.finetune4j.peft.ModuleSelection;
import org.jspecify.annotations.Nullable;

/**
 * Householder reflection adaptation (Yuan et al. 2024, arXiv:2405.17484): r reflections of the input, each one vector. The
 * settings have PEFT's names and defaults.
 *
 * @param rank how many reflections
 * @param orthogonal whether their vectors are made orthogonal (Gram and Schmidt) before they reflect
 * @param neutral whether the adapter changes nothing at first: pairs of equal vectors, which needs an even rank of vectors
 *     that are not made orthogonal
 * @param modules which layers, and which modules train as a whole
 */
public record Hra(int rank, boolean orthogonal, boolean neutral, ModuleSelection modules) implements LinearStrategy {

    static final String PEFT_TYPE = "HRA";

    static Hra from(Settings settings, ModuleSelection modules) {
        return new Hra(
                settings.integer("r", 8, 1, Settings.LARGEST_SIZE),
                settings.flag("apply_GS", false),
                settings.flag("init_weights", true),
                modules);
    }

    @Override
    public String peftType() {
        return PEFT_TYPE;
    }

    @Override
    public LayerFactory layers(CausalLM model, Map<String, Linear> targets, boolean trainable) {
        return (path, linear) -> new HraLayer(model, this, path, linear, trainable);
    }

    @Override
    public Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("r", rank);
        json.put("apply_GS", orthogonal);
        json.put("init_weights", neutral);
        return json;
    }
}
