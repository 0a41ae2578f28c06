package org.finetune4j.peft;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.Settings;
import org.jspecify.annotations.Nullable;

/**
 * The settings that LoHa and LoKr share, with PEFT's names and defaults.
 *
 * @param rank of the products
 * @param alpha what the change is scaled by, together with the rank
 * @param rankDropout probability of leaving out a row of the change in training
 * @param moduleDropout probability of leaving out a layer's change in training
 * @param rankPattern other ranks, by regular expressions that match the end of a path; the first match wins
 * @param alphaPattern other alphas, in the same way
 * @param modules which layers, and which modules train as a whole
 */
public record LycorisConfig(
        int rank,
        double alpha,
        double rankDropout,
        double moduleDropout,
        Map<String, Integer> rankPattern,
        Map<String, Double> alphaPattern,
        ModuleSelection modules) {

    /**
     * Keeps copies of the patterns.
     *
     * @param rank of the products
     * @param alpha what the change is scaled by, together with the rank
     * @param rankDropout probability of leaving out a row of the change in training
     * @param moduleDropout probability of leaving out a layer's change in training
     * @param rankPattern other ranks, by regular expressions that match the end of a path; the first match wins
     * @param alphaPattern other alphas, in the same way
     * @param modules which layers, and which modules train as a whole
     */
    public LycorisConfig {
        rankPattern = Collections.unmodifiableMap(new LinkedHashMap<>(rankPattern));
        alphaPattern = Collections.unmodifiableMap(new LinkedHashMap<>(alphaPattern));
    }

    /**
     * {@return PEFT's defaults for these modules}
     *
     * @param modules which layers are adapted, and which modules train as a whole
     * @param rank of the small matrices, at least 1
     * @param alpha what the change is scaled by, together with the rank
     */
    public static LycorisConfig of(ModuleSelection modules, int rank, double alpha) {
        return new LycorisConfig(rank, alpha, 0, 0, Map.of(), Map.of(), modules);
    }

    /**
     * Reads the shared keys.
     *
     * @param settings under PEFT's keys
     * @param modules which layers, and which modules train as a whole
     * @return the settings
     */
    public static LycorisConfig from(Settings settings, ModuleSelection modules) {
        return new LycorisConfig(
                settings.integer("r", 8, 1, Settings.LARGEST_SIZE),
                settings.number("alpha", 8),
                settings.number("rank_dropout", 0, 0, 0.999),
                settings.number("module_dropout", 0, 0, 0.999),
                Patterns.checked(settings, "rank_pattern", settings.integersByName("rank_pattern")),
                Patterns.checked(settings, "alpha_pattern", settings.numbersByName("alpha_pattern")),
                modules);
    }

    /**
     * {@return the rank of the layer at this path}
     *
     * @param path in the model, such as {@code model.layers.0.self_attn.q_proj}
     */
    public int rankOf(String path) {
        return Patterns.firstMatch(rankPattern, path).orElse(rank);
    }

    /**
     * {@return {@code alpha / rank} of the layer at this path}
     *
     * @param path in the model, such as {@code model.layers.0.self_attn.q_proj}
     */
    public double scaleOf(String path) {
        return Patterns.firstMatch(alphaPattern, path).orElse(alpha) / rankOf(path);
    }

    /** {@return the shared keys, without those of {@link #modules()}} */
    public Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("r", rank);
        json.put("alpha", PeftKeys.number(alpha));
        json.put("rank_dropout", rankDropout);
        json.put("module_dropout", moduleDropout);
        json.put("rank_pattern", rankPattern);
        json.put("alpha_pattern", PeftKeys.numbers(alphaPattern));
        return json;
    }
}
