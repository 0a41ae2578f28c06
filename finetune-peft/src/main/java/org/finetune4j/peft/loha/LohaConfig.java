package org.finetune4j.peft.loha;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.peft.LycorisConfig;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.PeftKeys;
import org.jspecify.annotations.Nullable;

/**
 * The settings of LoHa, with PEFT's names and defaults.
 *
 * @param shared rank, alpha, dropout and layers
 * @param neutral whether the adapter changes nothing at first
 */
public record LohaConfig(LycorisConfig shared, boolean neutral) {

    static final String PEFT_TYPE = "LOHA";

    static LohaConfig from(Settings settings, boolean fromFile) {
        LohaConfig config = new LohaConfig(LycorisConfig.from(settings, fromFile), settings.flag("init_weights", true));
        List<String> implemented = new ArrayList<>(config.toJson().keySet());
        implemented.addAll(ModuleSelection.keys());
        PeftKeys.refuseOthers(settings, PEFT_TYPE, implemented);
        return config;
    }

    Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>(shared.toJson());
        json.put("init_weights", neutral);
        return json;
    }
}
