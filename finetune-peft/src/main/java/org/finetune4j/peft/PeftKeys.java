package org.finetune4j.peft;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.jspecify.annotations.Nullable;

/**
 * The keys that PEFT's configurations have and what PEFT takes for each when it is missing. A method reads some of them;
 * any other one that PEFT knows must have its default, or the adapter would compute something else than PEFT does.
 */
public final class PeftKeys {

    /** Keys that change nothing in what an adapter computes once its weights are there. */
    private static final Set<String> HARMLESS = Set.of(
            "auto_mapping",
            "revision",
            "megatron_core",
            "fan_in_fan_out",
            "qalora_group_size",
            "use_effective_conv2d",
            "eva_config",
            "loftq_config",
            "eps");

    /** Keys that say which numbers a file of weights holds and what is computed with them. */
    private static final Set<String> SHAPING = Set.of(
            "peft_type",
            "r",
            "init_r",
            "target_r",
            "lora_alpha",
            "alpha",
            "target_modules",
            "exclude_modules",
            "feedforward_modules",
            "layers_to_transform",
            "layers_pattern",
            "modules_to_save",
            "alpha_pattern",
            "use_rslora",
            "use_dora",
            "lora_bias",
            "bias",
            "num_virtual_tokens",
            "num_tasks",
            "num_ranks",
            "encoder_hidden_size",
            "prefix_projection",
            "decompose_both",
            "decompose_factor",
            "projection_prng_key",
            "xlora_depth",
            "xlora_size",
            "layerwise_scalings");

    private static final Map<String, Map<String, Object>> DEFAULTS = load("config-defaults.json");

    private PeftKeys() {}

    @SuppressWarnings("unchecked")
    static Map<String, Map<String, Object>> load(String resource) {
        try (InputStream in = PeftKeys.class.getResourceAsStream(resource)) {
            return (Map)
                    Json.toMap(Json.parse(Objects.requireNonNull(in, resource).readAllBytes(), resource));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * {@return all keys of a {@code peft_type} with PEFT's defaults; none for a type that PEFT does not have}
     *
     * @param peftType such as {@code LORA}
     */
    public static Map<String, @Nullable Object> defaults(String peftType) {
        return new LinkedHashMap<>(DEFAULTS.getOrDefault(peftType, Map.of()));
    }

    /**
     * Refuses settings of PEFT that change what the method computes and are not implemented.
     *
     * @param settings under PEFT's keys
     * @param peftType such as {@code LORA}
     * @param implemented the keys that the method reads
     * @throws UserErrorException for the first one that has another value than PEFT's default
     */
    public static void refuseOthers(Settings settings, String peftType, Collection<String> implemented) {
        defaults(peftType).forEach((key, standard) -> {
            if (implemented.contains(key) || HARMLESS.contains(key)) {
                return;
            }
            Object value = settings.value(key).orElse(null);
            if (!isOff(value) && !same(value, standard)) {
                throw new UserErrorException(
                        settings.origin() + ": '" + key + "': " + value + " is not implemented for " + peftType);
            }
        });
    }

    /**
     * Refuses to read a stored adapter into one of other settings.
     *
     * @param stored the settings of the stored one
     * @param own those of the one that is to take its values
     * @throws UserErrorException for the first setting that differs, by its name
     */
    static void requireSame(Settings stored, Map<String, @Nullable Object> own) {
        for (String key : new TreeSet<>(own.keySet())) {
            Object before = stored.value(key).orElse(null);
            if (SHAPING.contains(key) && !same(before, own.get(key))) {
                throw new UserErrorException(stored.origin() + ": '" + key + "' is " + Reasons.excerpt(shown(before))
                        + ", and " + Reasons.excerpt(shown(own.get(key)))
                        + " now: go on with the settings that it was begun with");
            }
        }
    }

    private static String shown(@Nullable Object value) {
        return value == null ? "not there" : value.toString();
    }

    private static boolean isOff(@Nullable Object value) {
        return value == null
                || value.equals(false)
                || (value instanceof List<?> list && list.isEmpty())
                || (value instanceof Map<?, ?> map && map.isEmpty());
    }

    /**
     * A whole configuration to write: PEFT's defaults, over them what was read with the adapter (keys that nobody here
     * knows as well), over them what the method says. A value that means the same as the one read is written as it was.
     *
     * @param own the method's settings, {@code peft_type} included
     */
    static Map<String, @Nullable Object> complete(
            Map<String, @Nullable Object> own, Map<String, @Nullable Object> loaded, CausalLM model) {
        Map<String, @Nullable Object> all = new LinkedHashMap<>(defaults(String.valueOf(own.get("peft_type"))));
        all.put("task_type", model.config().isSequenceClassifier() ? "SEQ_CLS" : "CAUSAL_LM");
        all.put("base_model_name_or_path", model.nameOrPath());
        all.putAll(loaded);
        all.put("inference_mode", true);
        own.forEach((key, value) -> {
            if (!loaded.containsKey(key) || !same(loaded.get(key), value)) {
                all.put(key, value);
            }
        });
        return all;
    }

    /** Whether two values mean the same: 8 and 8.0, lists in another order, null and an empty list. */
    private static boolean same(@Nullable Object a, @Nullable Object b) {
        if (a instanceof Number x && b instanceof Number y) {
            return x.doubleValue() == y.doubleValue();
        }
        if (a instanceof Map<?, ?> x && b instanceof Map<?, ?> y) {
            return x.keySet().equals(y.keySet()) && x.keySet().stream().allMatch(key -> same(x.get(key), y.get(key)));
        }
        if (a instanceof Collection<?> x && b instanceof Collection<?> y) {
            return texts(x).equals(texts(y)); // PEFT writes some names twice
        }
        return Objects.equals(a, b) || (isOff(a) && isOff(b) && !(a instanceof Boolean) && !(b instanceof Boolean));
    }

    private static Set<String> texts(Collection<?> values) {
        Set<String> texts = new TreeSet<>();
        values.forEach(value -> texts.add(String.valueOf(value)));
        return texts;
    }

    /**
     * {@return a number as JSON is to show it: without a fraction where it has none}
     *
     * @param value finite
     */
    public static Object number(double value) {
        if (value == Math.rint(value)) {
            return (long) value;
        }
        return value;
    }

    /**
     * Numbers by name as JSON is to show them.
     *
     * @param values by name
     * @return the same, each as {@link #number} gives it
     */
    public static Map<String, Object> numbers(Map<String, Double> values) {
        Map<String, Object> shown = new LinkedHashMap<>();
        values.forEach((name, value) -> shown.put(name, number(value)));
        return shown;
    }

    /**
     * {@return null in the place of an empty list, as PEFT writes it, else a copy of the list}
     *
     * @param values as JSON can hold them
     */
    public static @Nullable Object orNull(Collection<?> values) {
        return values.isEmpty() ? null : new ArrayList<>(values);
    }
}
