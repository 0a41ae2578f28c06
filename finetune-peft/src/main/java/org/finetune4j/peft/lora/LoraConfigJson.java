package org.finetune4j.peft.lora;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.peft.AdapterConfigFile;
import org.finetune4j.peft.TargetModules;
import org.finetune4j.peft.lora.LoraConfig.Bias;
import org.jspecify.annotations.Nullable;

/** LoRA's settings as PEFT writes them in {@code adapter_config.json}, and as a user writes them in a configuration. */
final class LoraConfigJson {

    /** Settings of PEFT that change what LoRA computes and are not implemented. */
    private static final List<String> NOT_IMPLEMENTED = List.of(
            "use_dora",
            "lora_bias",
            "layer_replication",
            "target_parameters",
            "trainable_token_indices",
            "alora_invocation_tokens",
            "use_qalora",
            "use_bdlora",
            "arrow_config",
            "kasa_config",
            "monteclora_config",
            "megatron_config");

    private LoraConfigJson() {}

    /**
     * Reads settings.
     *
     * @param strictTargets whether a single target text that looks like a name is one, as users mean it, or a regular
     *     expression, as PEFT's file means it
     */
    static LoraConfig fromSettings(Settings settings, boolean strictTargets) {
        AdapterConfigFile.refuse(settings, NOT_IMPLEMENTED);
        int rank = settings.integer("r", settings.integer("lora_r", 8, 1), 1);
        return Lora.builder()
                .rank(rank)
                .alpha(settings.number("lora_alpha", 8))
                .dropout(settings.number("lora_dropout", 0, 0, 0.999))
                .targetModules(targets(settings, strictTargets))
                .excludeModules(settings.texts("exclude_modules"))
                .layersToTransform(layers(settings))
                .layersPattern(
                        settings.texts("layers_pattern").stream().findFirst().orElse(null))
                .rankPattern(settings.integersByName("rank_pattern"))
                .alphaPattern(settings.integersByName("alpha_pattern"))
                .useRslora(settings.flag("use_rslora", false))
                .bias(bias(settings))
                .modulesToSave(settings.texts("modules_to_save"))
                .initialization(initialization(settings))
                .config();
    }

    private static @Nullable TargetModules targets(Settings settings, boolean strictTargets) {
        Object value = settings.value("target_modules").orElse(null);
        if (value == null) {
            return null;
        }
        if (value instanceof List) {
            List<String> names = settings.texts("target_modules");
            if (names.isEmpty()) {
                throw settings.invalid("target_modules", "at least one name");
            }
            return new TargetModules.Names(names);
        }
        String text = settings.requiredText("target_modules");
        if (strictTargets) {
            return TargetModules.of(text);
        }
        return text.equals(TargetModules.ALL_LINEAR) ? new TargetModules.AllLinear() : new TargetModules.Regex(text);
    }

    private static List<Integer> layers(Settings settings) {
        List<Integer> layers = new ArrayList<>();
        for (String text : settings.texts("layers_to_transform")) {
            try {
                layers.add(Integer.parseInt(text));
            } catch (NumberFormatException e) {
                throw settings.invalid("layers_to_transform", "numbers of layers");
            }
        }
        return layers;
    }

    private static Bias bias(Settings settings) {
        String name = settings.text("bias").orElse("none");
        for (Bias bias : Bias.values()) {
            if (bias.peftName().equals(name)) {
                return bias;
            }
        }
        throw new UserErrorException(settings.origin() + ": 'bias' is " + name
                + Suggestions.didYouMean(name, List.of("none", "all", "lora_only")));
    }

    private static LoraInitialization initialization(Settings settings) {
        String name = settings.text("init_lora_weights").orElse("true").toLowerCase(Locale.ROOT);
        return switch (name) {
            case "true" -> LoraInitialization.KAIMING;
            case "gaussian" -> LoraInitialization.GAUSSIAN;
            case "false" -> LoraInitialization.RANDOM;
            default ->
                throw new UserErrorException(settings.origin() + ": 'init_lora_weights': '" + name
                        + "' is not implemented" + Suggestions.didYouMean(name, List.of("true", "false", "gaussian")));
        };
    }

    /** The content of {@code adapter_config.json}. */
    static Map<String, @Nullable Object> toJson(
            LoraConfig config, Set<String> paths, String baseModel, boolean conv1d) {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("peft_type", "LORA");
        json.put("task_type", "CAUSAL_LM");
        json.put("base_model_name_or_path", baseModel);
        json.put("inference_mode", true);
        json.put("revision", null);
        json.put("auto_mapping", null);
        json.put("r", config.rank());
        json.put("lora_alpha", wholeIfPossible(config.loraAlpha()));
        json.put("lora_dropout", config.loraDropout());
        json.put("fan_in_fan_out", conv1d);
        json.put("bias", config.bias().peftName());
        json.put("use_rslora", config.useRslora());
        json.put("use_dora", false);
        json.put("init_lora_weights", initialization(config.initialization()));
        json.put("modules_to_save", config.modulesToSave().isEmpty() ? null : config.modulesToSave());
        json.put("exclude_modules", config.excludeModules().isEmpty() ? null : config.excludeModules());
        json.put("layers_to_transform", config.layersToTransform().isEmpty() ? null : config.layersToTransform());
        json.put("layers_pattern", config.layersPattern());
        json.put("rank_pattern", config.rankPattern());
        json.put("alpha_pattern", config.alphaPattern());
        json.put("target_modules", targets(config, paths));
        return json;
    }

    private static Object initialization(LoraInitialization initialization) {
        return switch (initialization) {
            case KAIMING -> true;
            case GAUSSIAN -> "gaussian";
            case RANDOM -> false;
        };
    }

    private static Object wholeIfPossible(double number) {
        if (number == Math.rint(number)) {
            return (long) number;
        }
        return number;
    }

    /** As PEFT does, {@code all-linear} and defaults are written as the names they stand for. */
    private static Object targets(LoraConfig config, Set<String> paths) {
        TargetModules targets = config.targetModules();
        if (targets instanceof TargetModules.Names names) {
            return names.names();
        }
        if (targets instanceof TargetModules.Regex regex) {
            return regex.pattern();
        }
        return paths.stream()
                .map(path -> path.substring(path.lastIndexOf('.') + 1))
                .distinct()
                .sorted()
                .toList();
    }
}
