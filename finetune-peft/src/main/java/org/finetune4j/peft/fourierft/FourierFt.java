package org.finetune4j.peft.fourierft;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.peft.LayerFactory;
import org.finetune4j.peft.LinearStrategy;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.Patterns;
import org.jspecify.annotations.Nullable;

/**
 * FourierFT (Gao et al. 2024, arXiv:2405.03003): a few frequencies of the change of a weight are learned, the others are zero.
 * The settings have PEFT's names and defaults.
 *
 * @param frequencies how many are learned in a layer
 * @param scaling what the change is multiplied by
 * @param seed which frequencies: PyTorch's generator draws them from it, so that an adapter need not carry them
 * @param neutral whether the adapter changes nothing at first; PEFT starts from random frequencies
 * @param frequenciesByPattern other numbers by regular expression at the end of a path
 * @param modules which layers, and which modules train as a whole
 */
public record FourierFt(
        int frequencies,
        double scaling,
        long seed,
        boolean neutral,
        Map<String, Integer> frequenciesByPattern,
        ModuleSelection modules)
        implements LinearStrategy {

    static final String PEFT_TYPE = "FOURIERFT";

    private static final int MOST_FREQUENCIES = 1 << 24;

    /**
     * Copies the map.
     *
     * @param frequencies how many are learned in a layer
     * @param scaling what the change is multiplied by
     * @param seed which frequencies
     * @param neutral whether the adapter changes nothing at first
     * @param frequenciesByPattern other numbers by regular expression at the end of a path
     * @param modules which layers, and which modules train as a whole
     */
    public FourierFt {
        frequenciesByPattern = Collections.unmodifiableMap(new LinkedHashMap<>(frequenciesByPattern));
    }

    static FourierFt from(Settings settings, ModuleSelection modules) {
        return new FourierFt(
                settings.integer("n_frequency", 1000, 1, MOST_FREQUENCIES),
                settings.number("scaling", 150),
                settings.integer("random_loc_seed", 777),
                settings.flag("init_weights", false),
                Patterns.checked(settings, "n_frequency_pattern", settings.integersByName("n_frequency_pattern")),
                modules);
    }

    int frequenciesOf(String path) {
        return Patterns.firstMatch(frequenciesByPattern, path).orElse(frequencies);
    }

    @Override
    public String peftType() {
        return PEFT_TYPE;
    }

    @Override
    public boolean worksOnSlices() {
        return true;
    }

    @Override
    public LayerFactory layers(CausalLM model, Map<String, Linear> targets, boolean trainable) {
        return (path, linear) -> new FourierFtLayer(model, this, path, linear, trainable);
    }

    @Override
    public Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("n_frequency", frequencies);
        json.put("scaling", scaling);
        json.put("random_loc_seed", seed);
        json.put("init_weights", neutral);
        json.put("n_frequency_pattern", frequenciesByPattern);
        return json;
    }
}
