package org.finetune4j.peft.merge;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** Compares the settings of adapters that are to become one. */
final class AdapterSettings {

    /** What an adapter started from, where it lies and how it was trained changes nothing in what it computes. */
    private static final Set<String> FREE = Set.of(
            "auto_mapping",
            "base_model_name_or_path",
            "eva_config",
            "inference_mode",
            "init_lora_weights",
            "init_weights",
            "lora_dropout",
            "model_name",
            "name",
            "peft_version",
            "prompt_tuning_init",
            "prompt_tuning_init_text",
            "revision",
            "task_type",
            "tokenizer_name_or_path");

    private AdapterSettings() {}

    /**
     * Refuses adapters whose settings are not the same.
     *
     * @throws UserErrorException for the first key that differs
     */
    static void checkSame(List<StoredAdapter> adapters) {
        StoredAdapter first = adapters.get(0);
        for (StoredAdapter other : adapters) {
            Set<String> keys = new TreeSet<>(first.config().asMap().keySet());
            keys.addAll(other.config().asMap().keySet());
            for (String key : keys) {
                if (!FREE.contains(key) && !same(first, other, key)) {
                    throw new UserErrorException(other.directory() + ": '" + key + "' is "
                            + other.config().asMap().get(key) + ", in " + first.directory() + " it is "
                            + first.config().asMap().get(key) + ": merging needs adapters with the same settings");
                }
            }
        }
    }

    /** Whether two adapters have the same value; lists may be in another order. */
    static boolean same(StoredAdapter first, StoredAdapter other, String key) {
        return Objects.equals(
                normal(first.config().asMap().get(key)),
                normal(other.config().asMap().get(key)));
    }

    private static @Nullable Object normal(@Nullable Object value) {
        if (value instanceof Collection<?> list) {
            Set<String> texts = new TreeSet<>();
            list.forEach(element -> texts.add(String.valueOf(element)));
            return texts.isEmpty() ? null : texts;
        }
        if (value instanceof Number number) {
            return number.doubleValue();
        }
        return value instanceof Map<?, ?> map && map.isEmpty() ? null : value;
    }
}
