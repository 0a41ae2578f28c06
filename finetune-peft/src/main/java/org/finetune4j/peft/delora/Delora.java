package org.finetune4j.peft.delora;

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
import org.finetune4j.peft.PeftKeys;
import org.jspecify.annotations.Nullable;

/**
 * DeLoRA (Bini et al. 2025, arXiv:2503.18225): LoRA whose directions have the length one and whose strength is a number of its own, which
 * bounds how far a weight can move. The settings have PEFT's names and defaults.
 *
 * @param rank of the two matrices
 * @param lambda the strength at first
 * @param dropout probability of dropping an element of the input in training
 * @param neutral whether the adapter changes nothing at first
 * @param rankPattern other ranks, by regular expressions that match the end of a path; the first match wins
 * @param lambdaPattern other strengths, in the same way
 * @param modules which layers, and which modules train as a whole
 */
public record Delora(
        int rank,
        double lambda,
        double dropout,
        boolean neutral,
        Map<String, Integer> rankPattern,
        Map<String, Double> lambdaPattern,
        ModuleSelection modules)
        implements LinearStrategy {

    static final String PEFT_TYPE = "DELORA";

    /**
     * Keeps copies of the patterns.
     *
     * @param rank of the two matrices
     * @param lambda the strength at first
     * @param dropout probability of dropping an element of the input in training
     * @param neutral whether the adapter changes nothing at first
     * @param rankPattern other ranks, by regular expressions that match the end of a path; the first match wins
     * @param lambdaPattern other strengths, in the same way
     * @param modules which layers, and which modules train as a whole
     */
    public Delora {
        rankPattern = Collections.unmodifiableMap(new LinkedHashMap<>(rankPattern));
        lambdaPattern = Collections.unmodifiableMap(new LinkedHashMap<>(lambdaPattern));
    }

    /**
     * {@return PEFT's defaults for these modules}
     *
     * @param modules which layers are adapted, and which modules train as a whole
     */
    public static Delora of(ModuleSelection modules) {
        return new Delora(8, 15, 0, true, Map.of(), Map.of(), modules);
    }

    static Delora from(Settings settings, ModuleSelection modules) {
        return new Delora(
                settings.integer("r", 8, 1, Settings.LARGEST_SIZE),
                settings.number("delora_lambda", 15),
                settings.number("module_dropout", 0, 0, 0.999),
                settings.flag("init_weights", true),
                Patterns.checked(settings, "rank_pattern", settings.integersByName("rank_pattern")),
                Patterns.checked(settings, "lambda_pattern", settings.numbersByName("lambda_pattern")),
                modules);
    }

    int rankOf(String path) {
        return Patterns.firstMatch(rankPattern, path).orElse(rank);
    }

    double lambdaOf(String path) {
        return Patterns.firstMatch(lambdaPattern, path).orElse(lambda);
    }

    @Override
    public String peftType() {
        return PEFT_TYPE;
    }

    @Override
    public LayerFactory layers(CausalLM model, Map<String, Linear> targets, boolean trainable) {
        return (path, linear) -> new DeloraLayer(model, this, path, linear, trainable);
    }

    @Override
    public Map<String, @Nullable Object> toJson() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("r", rank);
        json.put("delora_lambda", PeftKeys.number(lambda));
        json.put("module_dropout", dropout);
        json.put("init_weights", neutral);
        json.put("rank_pattern", rankPattern);
        json.put("lambda_pattern", PeftKeys.numbers(lambdaPattern));
        return json;
    }
}
