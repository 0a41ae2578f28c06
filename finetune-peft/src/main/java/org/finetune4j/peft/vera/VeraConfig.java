package org.finetune4j.peft.vera;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.PeftKeys;
import org.jspecify.annotations.Nullable;

/**
 * The settings of VeRA, with PEFT's names and defaults.
 *
 * @param rank of the shared matrices
 * @param dropout probability of dropping an element of the input in training
 * @param initialD what every element of d starts from
 * @param projectionKey the seed that the shared matrices are drawn with
 * @param saveProjection whether the shared matrices are written into the adapter's file
 * @param neutral whether the adapter changes nothing at first: b zero, d {@code initialD}
 * @param modules which layers, and which modules train as a whole
 */
public record VeraConfig(
        int rank,
        double dropout,
        double initialD,
        long projectionKey,
        boolean saveProjection,
        boolean neutral,
        ModuleSelection modules) {

    static final String PEFT_TYPE = "VERA";

    /**
     * {@return PEFT's defaults for these modules}
     *
     * @param modules which layers are adapted, and which modules train as a whole
     */
    public static VeraConfig of(ModuleSelection modules) {
        return new VeraConfig(256, 0, 0.1, 0, true, true, modules);
    }

    static VeraConfig from(Settings settings, boolean fromFile) {
        VeraConfig config = new VeraConfig(
                settings.integer("r", 256, 1, Settings.LARGEST_SIZE),
                settings.number("vera_dropout", 0, 0, 0.999),
                settings.number("d_initial", 0.1),
                settings.integer("projection_prng_key", 0),
                settings.flag("save_projection", true),
                settings.flag("init_weights", true),
                ModuleSelection.from(settings, fromFile));
        List<String> implemented = new ArrayList<>(config.toJson().keySet());
        implemented.addAll(ModuleSelection.keys());
        if (!settings.text("bias").orElse("none").equals("none")) {
            throw settings.invalid("bias", "none");
        }
        implemented.add("bias");
        PeftKeys.refuseOthers(settings, PEFT_TYPE, implemented);
        return config;
    }

    Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("r", rank);
        json.put("vera_dropout", dropout);
        json.put("d_initial", initialD);
        json.put("projection_prng_key", projectionKey);
        json.put("save_projection", saveProjection);
        json.put("init_weights", neutral);
        return json;
    }
}
