package org.finetune4j.peft.hra;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.PeftKeys;
import org.jspecify.annotations.Nullable;

/**
 * The settings of HRA, with PEFT's names and defaults.
 *
 * @param rank how many reflections
 * @param orthogonal whether their vectors are made orthogonal (Gram and Schmidt) before they reflect
 * @param neutral whether the adapter changes nothing at first: pairs of equal vectors, which needs an even rank
 * @param modules which layers, and which modules train as a whole
 */
public record HraConfig(int rank, boolean orthogonal, boolean neutral, ModuleSelection modules) {

    static final String PEFT_TYPE = "HRA";

    static HraConfig from(Settings settings, boolean fromFile) {
        HraConfig config = new HraConfig(
                settings.integer("r", 8, 1, Settings.LARGEST_SIZE),
                settings.flag("apply_GS", false),
                settings.flag("init_weights", true),
                ModuleSelection.from(settings, fromFile));
        List<String> implemented = new ArrayList<>(config.toJson().keySet());
        implemented.addAll(ModuleSelection.keys());
        PeftKeys.refuseOthers(settings, PEFT_TYPE, implemented);
        return config;
    }

    Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("r", rank);
        json.put("apply_GS", orthogonal);
        json.put("init_weights", neutral);
        return json;
    }
}
