package org.finetune4j.peft.hira;

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
 * HiRA (Huang et al. 2025, Hadamard high-rank adaptation): the change of a weight is the weight itself times a low-rank product, element by
 * element, so that it has a high rank. The settings have PEFT's names and defaults.
 *
 * @param rank of the two matrices
 * @param dropout probability of dropping an element of the input in training
 * @param start what the matrices start from
 * @param rankPattern other ranks, by regular expressions that match the end of a path; the first match wins
 * @param modules which layers, and which modules train as a whole
 */
public record Hira(int rank, double dropout, Start start, Map<String, Integer> rankPattern, ModuleSelection modules)
        implements LinearStrategy {

    static final String PEFT_TYPE = "HIRA";

    /** PEFT's {@code init_weights}. */
    public enum Start {
        /** A is uniform, B is zero. */
        NEUTRAL(true),
        /** A is normal with a deviation of {@code 1 / r}, B is zero. */
        GAUSSIAN("gaussian"),
        /** Both are standard normal, which is useful in tests only. */
        RANDOM(false);

        private final Object peftValue;

        Start(Object peftValue) {
            this.peftValue = peftValue;
        }
    }

    /**
     * Keeps a copy of the pattern.
     *
     * @param rank of the two matrices
     * @param dropout probability of dropping an element of the input in training
     * @param start what the matrices start from
     * @param rankPattern other ranks, by regular expressions that match the end of a path; the first match wins
     * @param modules which layers, and which modules train as a whole
     */
    public Hira {
        rankPattern = Collections.unmodifiableMap(new LinkedHashMap<>(rankPattern));
    }

    /**
     * {@return PEFT's defaults for these modules}
     *
     * @param modules which layers are adapted, and which modules train as a whole
     */
    public static Hira of(ModuleSelection modules) {
        return new Hira(32, 0, Start.NEUTRAL, Map.of(), modules);
    }

    static Hira from(Settings settings, ModuleSelection modules) {
        return new Hira(
                settings.integer("r", 32, 1, Settings.LARGEST_SIZE),
                settings.number("hira_dropout", 0, 0, 0.999),
                switch (settings.text("init_weights").orElse("true")) {
                    case "true" -> Start.NEUTRAL;
                    case "gaussian" -> Start.GAUSSIAN;
                    case "false" -> Start.RANDOM;
                    default -> throw settings.invalid("init_weights", "true, false or gaussian");
                },
                Patterns.checked(settings, "rank_pattern", settings.integersByName("rank_pattern")),
                modules);
    }

    int rankOf(String path) {
        return Patterns.firstMatch(rankPattern, path).orElse(rank);
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
        return (path, linear) -> new HiraLayer(model, this, path, linear, trainable);
    }

    @Override
    public Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("r", rank);
        json.put("hira_dropout", dropout);
        json.put("init_weights", start.peftValue);
        json.put("rank_pattern", rankPattern);
        return json;
    }
}
