package org.finetune4j.peft.lora;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.ModuleSelection;
import org.finetune4j.peft.Patterns;
import org.finetune4j.peft.PeftKeys;
import org.finetune4j.peft.TokenIndices;
import org.finetune4j.peft.lora.LoraConfig.Bias;
import org.jspecify.annotations.Nullable;

/** LoRA's settings as PEFT writes them in {@code adapter_config.json}, and as a user writes them in a configuration. */
final class LoraConfigJson {

    static final String PEFT_TYPE = "LORA";

    private static final String LOFTQ = "loftq_config";

    private static final String TYING = "ensure_weight_tying";

    private static final String PARAMETERS = "target_parameters";

    private static final List<String> OWN_KEYS = List.of(
            "r",
            "lora_alpha",
            "lora_dropout",
            "rank_pattern",
            "alpha_pattern",
            "use_rslora",
            "use_dora",
            "lora_bias",
            "bias",
            "init_lora_weights",
            LOFTQ,
            EvaConfig.KEY,
            TokenIndices.KEY,
            TYING,
            PARAMETERS);

    private LoraConfigJson() {}

    /**
     * Reads settings.
     *
     * @param fromFile whether they are PEFT's own file
     */
    static LoraConfig fromSettings(Settings settings, boolean fromFile) {
        List<String> implemented = new ArrayList<>(OWN_KEYS);
        implemented.addAll(ModuleSelection.keys());
        PeftKeys.refuseOthers(settings, PEFT_TYPE, implemented);
        boolean dora = settings.flag("use_dora", false);
        boolean loraBias = settings.flag("lora_bias", false);
        if (dora && loraBias) {
            throw new UserErrorException(settings.origin() + ": 'lora_bias' and 'use_dora' cannot be combined");
        }
        List<String> parameters = settings.texts(PARAMETERS);
        Lora.Builder builder = Lora.builder()
                .rank(settings.integer("r", 8, 1, Settings.LARGEST_SIZE))
                .alpha(settings.number("lora_alpha", 8))
                .dropout(settings.number("lora_dropout", 0, 0, 0.999))
                .modules(ModuleSelection.from(settings, fromFile, !parameters.isEmpty()))
                .targetParameters(parameters)
                .rankPattern(Patterns.checked(settings, "rank_pattern", settings.integersByName("rank_pattern")))
                .alphaPattern(Patterns.checked(settings, "alpha_pattern", settings.numbersByName("alpha_pattern")))
                .useRslora(settings.flag("use_rslora", false))
                .useDora(dora)
                .loraBias(loraBias)
                .bias(bias(settings))
                .initialization(LoraInitialization.from(settings, fromFile))
                .eva(EvaConfig.from(settings, fromFile))
                .trainableTokens(TokenIndices.from(settings))
                .ensureWeightTying(settings.flag(TYING, false))
                .frozenA(!fromFile && settings.flag("lora_fa", false))
                .loraPlusRatio(fromFile ? 1 : settings.number("loraplus_lr_ratio", 1, 1e-6, 1e6));
        return fromFile ? builder.config() : withLoftq(builder, settings).config();
    }

    /** Reads {@code loftq_config}: {@code loftq_bits} and {@code loftq_iter}. */
    private static Lora.Builder withLoftq(Lora.Builder builder, Settings settings) {
        LoraInitialization initialization = LoraInitialization.from(settings, false);
        Object value = settings.value(LOFTQ).orElse(Map.of());
        if (!(value instanceof Map<?, ?> map)) {
            throw settings.invalid(LOFTQ, "a map, such as {loftq_bits: 4, loftq_iter: 1}");
        }
        if (initialization != LoraInitialization.LOFTQ) {
            if (!map.isEmpty()) {
                throw settings.invalid(LOFTQ, "init_lora_weights: loftq beside it");
            }
            return builder;
        }
        Map<String, Object> known = new LinkedHashMap<>();
        map.forEach((key, entry) -> known.put(String.valueOf(key), entry));
        Settings own = new Settings(settings.origin() + ": " + LOFTQ, known);
        int bits = own.integer("loftq_bits", 4, 4);
        int iterations = own.integer("loftq_iter", 1, 1, 1000);
        own.refuseUnknown();
        return builder.loftq(bits, iterations);
    }

    static Bias bias(Settings settings) {
        String name = settings.text("bias").orElse("none");
        for (Bias bias : Bias.values()) {
            if (bias.peftName().equals(name)) {
                return bias;
            }
        }
        throw new UserErrorException(settings.origin() + ": 'bias' is " + name
                + Suggestions.didYouMean(name, List.of("none", "all", "lora_only")));
    }

    /** The content of {@code adapter_config.json}. */
    static Map<String, @Nullable Object> toJson(
            LoraConfig config, CausalLM model, Collection<String> paths, boolean conv1d) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("peft_type", PEFT_TYPE);
        json.put("r", config.rank());
        json.put("lora_alpha", PeftKeys.number(config.loraAlpha()));
        json.put("lora_dropout", config.loraDropout());
        json.put("fan_in_fan_out", conv1d);
        json.put("bias", config.bias().peftName());
        json.put("use_rslora", config.useRslora());
        json.put("use_dora", config.useDora());
        json.put("lora_bias", config.loraBias());
        // A reader must not quantise its base once more: what LoftQ started from is in the base and the matrices.
        boolean begun = config.initialization() == LoraInitialization.LOFTQ;
        json.put("init_lora_weights", begun ? true : config.initialization().peftValue());
        if (config.initialization() == LoraInitialization.EVA) {
            json.put(EvaConfig.KEY, config.eva().toJson());
        }
        json.put(TokenIndices.KEY, config.trainableTokens().toJson());
        json.put(TYING, config.ensureWeightTying());
        json.put(PARAMETERS, PeftKeys.orNull(config.targetParameters()));
        json.put("rank_pattern", config.rankPattern());
        json.put("alpha_pattern", PeftKeys.numbers(config.alphaPattern()));
        json.putAll(config.modules().toJson(PEFT_TYPE, model, paths));
        return json;
    }
}
