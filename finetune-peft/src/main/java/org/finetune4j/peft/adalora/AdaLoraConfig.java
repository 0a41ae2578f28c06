package org.finetune4j.peft.adalora;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.PeftKeys;
import org.jspecify.annotations.Nullable;

/**
 * The settings of AdaLoRA, with PEFT's names and defaults.
 *
 * @param targetRank mean rank of a layer at the end
 * @param initialRank rank of every layer at the start
 * @param loraAlpha what the product is scaled by, together with the initial rank
 * @param loraDropout probability of dropping an element of the input in training
 * @param warmupSteps steps at the start in which nothing is cut ({@code tinit})
 * @param finalSteps steps at the end in which the ranks stay as they are ({@code tfinal})
 * @param interval steps between two cuts ({@code deltaT})
 * @param beta1 smoothing of the importance
 * @param beta2 smoothing of its uncertainty
 * @param orthogonalWeight weight of the penalty that keeps A and B orthogonal
 * @param totalSteps steps of the whole training, or 0 to take the run's
 * @param neutral whether the adapter changes nothing at first
 * @param rankPattern for a finished adapter, which of a layer's directions were kept, by path; else empty
 * @param modules which layers, and which modules train as a whole
 */
public record AdaLoraConfig(
        int targetRank,
        int initialRank,
        double loraAlpha,
        double loraDropout,
        int warmupSteps,
        int finalSteps,
        int interval,
        double beta1,
        double beta2,
        double orthogonalWeight,
        int totalSteps,
        boolean neutral,
        Map<String, List<Boolean>> rankPattern,
        ModuleSelection modules) {

    static final String PEFT_TYPE = "ADALORA";
    static final String LORA_E = ".lora_E";

    /**
     * Keeps a copy of the pattern.
     *
     * @param targetRank mean rank of a layer at the end
     * @param initialRank rank of every layer at the start
     * @param loraAlpha what the product is scaled by, together with the initial rank
     * @param loraDropout probability of dropping an element of the input in training
     * @param warmupSteps steps at the start in which nothing is cut ({@code tinit})
     * @param finalSteps steps at the end in which the ranks stay as they are ({@code tfinal})
     * @param interval steps between two cuts ({@code deltaT})
     * @param beta1 smoothing of the importance
     * @param beta2 smoothing of its uncertainty
     * @param orthogonalWeight weight of the penalty that keeps A and B orthogonal
     * @param totalSteps steps of the whole training, or 0 to take the run's
     * @param neutral whether the adapter changes nothing at first
     * @param rankPattern for a finished adapter, which of a layer's directions were kept, by path; else empty
     * @param modules which layers, and which modules train as a whole
     */
    public AdaLoraConfig {
        rankPattern = Collections.unmodifiableMap(new LinkedHashMap<>(rankPattern));
    }

    /**
     * {@return PEFT's defaults for these modules and ranks; the number of steps is the run's}
     *
     * @param modules which layers are adapted, and which modules train as a whole
     * @param initialRank rank of every layer at the beginning
     * @param targetRank mean rank of the layers at the end
     */
    public static AdaLoraConfig of(ModuleSelection modules, int initialRank, int targetRank) {
        return new AdaLoraConfig(targetRank, initialRank, 8, 0, 0, 0, 1, 0.85, 0.85, 0.5, 0, true, Map.of(), modules);
    }

    static AdaLoraConfig from(Settings settings, boolean fromFile) {
        AdaLoraConfig config = new AdaLoraConfig(
                settings.integer("target_r", 8, 1, Settings.LARGEST_SIZE),
                settings.integer("init_r", 12, 1, Settings.LARGEST_SIZE),
                settings.number("lora_alpha", 8),
                settings.number("lora_dropout", 0, 0, 0.999),
                settings.integer("tinit", 0, 0),
                settings.integer("tfinal", 0, 0),
                settings.integer("deltaT", 1, 1),
                settings.number("beta1", 0.85, 1e-9, 1 - 1e-9),
                settings.number("beta2", 0.85, 1e-9, 1 - 1e-9),
                settings.number("orth_reg_weight", 0.5, 0, 1e9),
                settings.integer("total_step", 0, 1),
                settings.flag("init_lora_weights", true),
                fromFile ? pattern(settings) : Map.of(),
                ModuleSelection.from(settings, fromFile));
        List<String> implemented = new ArrayList<>(config.toJson().keySet());
        implemented.addAll(ModuleSelection.keys());
        // PEFT ignores r here.
        implemented.add("r");
        PeftKeys.refuseOthers(settings, PEFT_TYPE, implemented);
        return config;
    }

    private static Map<String, List<Boolean>> pattern(Settings settings) {
        Map<String, List<Boolean>> pattern = new LinkedHashMap<>();
        Object value = settings.value("rank_pattern").orElse(Map.of());
        if (value instanceof Map<?, ?> map) {
            map.forEach((name, kept) -> {
                String key = String.valueOf(name);
                if (!(kept instanceof List<?> list) || !key.contains(LORA_E)) {
                    throw settings.invalid("rank_pattern", "truth values by the name of a layer's lora_E");
                }
                pattern.put(
                        key.substring(0, key.indexOf(LORA_E)),
                        list.stream().map(Boolean.TRUE::equals).toList());
            });
        }
        return pattern;
    }

    /** How many directions the layer at this path has in the file, and at the start of a training. */
    int rankOf(String path) {
        List<Boolean> kept = rankPattern.get(path);
        return kept == null
                ? initialRank
                : (int) kept.stream().filter(Boolean::booleanValue).count();
    }

    /** {@code alpha / initial rank}, with PEFT's guard against a rank of zero. */
    double scale() {
        return (loraAlpha > 0 ? loraAlpha : initialRank) / (initialRank + 1e-5);
    }

    /** The same with the ranks that were kept. */
    AdaLoraConfig withRankPattern(Map<String, List<Boolean>> pattern) {
        return with(totalSteps, pattern);
    }

    /** The same for a run of this many steps, where the settings do not say how many. */
    AdaLoraConfig forRunOf(long steps) {
        int total = totalSteps == 0 ? Math.toIntExact(steps) : totalSteps;
        if (warmupSteps >= total - finalSteps) {
            throw new UserErrorException("tinit " + warmupSteps + " and tfinal " + finalSteps
                    + " leave no step to cut ranks in a training of total_step " + total);
        }
        return with(total, rankPattern);
    }

    private AdaLoraConfig with(int steps, Map<String, List<Boolean>> pattern) {
        return new AdaLoraConfig(
                targetRank,
                initialRank,
                loraAlpha,
                loraDropout,
                warmupSteps,
                finalSteps,
                interval,
                beta1,
                beta2,
                orthogonalWeight,
                steps,
                neutral,
                pattern,
                modules);
    }

    Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("target_r", targetRank);
        json.put("init_r", initialRank);
        json.put("lora_alpha", PeftKeys.number(loraAlpha));
        json.put("lora_dropout", loraDropout);
        json.put("tinit", warmupSteps);
        json.put("tfinal", finalSteps);
        json.put("deltaT", interval);
        json.put("beta1", beta1);
        json.put("beta2", beta2);
        json.put("orth_reg_weight", orthogonalWeight);
        // PEFT cannot read a configuration without a number of steps.
        json.put("total_step", totalSteps == 0 ? warmupSteps + finalSteps + 1 : totalSteps);
        json.put("init_lora_weights", neutral);
        Map<String, Object> pattern = new LinkedHashMap<>();
        rankPattern.forEach((path, kept) -> pattern.put(path + LORA_E, kept));
        json.put("rank_pattern", pattern.isEmpty() ? null : pattern);
        return json;
    }
}
