package org.finetune4j.cli;

import java.nio.file.Files;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.strategy.FineTuningMethod;
import org.jspecify.annotations.Nullable;

/**
 * Keys of transformers and TRL that have another name here, or say with one word what takes another here. They are
 * translated before anything reads the configuration, so that the rest knows one name for one thing.
 */
final class FamiliarKeys {

    /** LoRA on a base in 4 bits, under a name of its own. */
    static final String QLORA = "qlora";

    /** Other names for the same values. */
    private static final Map<String, String> ALIASES = aliases();

    /** Names from other programs, which are told and not obeyed: their values may mean something else. */
    private static final Map<String, String> RENAMED = renamed();

    private final Settings given;
    private final Map<String, @Nullable Object> values;
    private final Map<String, String> written;

    private FamiliarKeys(Settings given) {
        this.given = given;
        this.values = new LinkedHashMap<>();
        values.putAll(given.asMap());
        this.written = new LinkedHashMap<>(given.written());
    }

    private static Map<String, String> aliases() {
        Map<String, String> names = new LinkedHashMap<>();
        names.put("lora_r", "r");
        names.put("lora_target_modules", "target_modules");
        names.put("lora_modules_to_save", "modules_to_save");
        names.put("lora_target_parameters", "target_parameters");
        names.put("use_bnb_nested_quant", "bnb_4bit_use_double_quant");
        names.put("chat_template_path", "chat_template");
        names.put("dataset_text_field", "text_field");
        names.put("torch_dtype", "dtype");
        names.put("max_seq_length", "max_length");
        names.put("evaluation_strategy", "eval_strategy");
        names.put("test_split_size", "eval_fraction");
        return names;
    }

    private static Map<String, String> renamed() {
        Map<String, String> names = new LinkedHashMap<>();
        names.put("base_model", "model_name_or_path");
        names.put("finetuning_type", "method");
        names.put("adapter", "method");
        names.put("lora_rank", "r");
        names.put("lora_target", "target_modules");
        names.put("cutoff_len", "max_length");
        names.put("sequence_len", "max_length");
        names.put("model_max_length", "max_length");
        names.put("template", "chat_template");
        names.put("micro_batch_size", "per_device_train_batch_size");
        names.put("per_gpu_train_batch_size", "per_device_train_batch_size");
        names.put("batch_size", "per_device_train_batch_size");
        names.put("num_epochs", "num_train_epochs");
        names.put("epochs", "num_train_epochs");
        names.put("lr", "learning_rate");
        names.put("lr_scheduler", "lr_scheduler_type");
        names.put("optimizer", "optim");
        names.put("val_size", "eval_fraction");
        names.put("val_set_size", "eval_fraction");
        names.put("sample_packing", "packing");
        names.put("train_on_inputs", "train_on");
        names.put("validation_file", "eval_file");
        names.put("logging_dir", "output_dir");
        names.put("overwrite_output_dir", "output_dir");
        return names;
    }

    /** Names that are translated. */
    static Set<String> names() {
        Set<String> all = new LinkedHashSet<>(ALIASES.keySet());
        all.addAll(Set.of(
                "truncation_mode",
                "train_sampling_strategy",
                "completion_only_loss",
                "assistant_only_loss",
                "use_cpu",
                "model_revision",
                "use_peft",
                "peft_type"));
        return all;
    }

    /** What a key of another program is called here, or null. */
    static @Nullable String renamed(String key) {
        return RENAMED.get(key);
    }

    /**
     * The same settings with our names only.
     *
     * @throws UserErrorException when two keys say different things, or a value cannot be used
     */
    static Settings translate(Settings given) {
        return new FamiliarKeys(given).translated();
    }

    private Settings translated() {
        ALIASES.forEach((alias, own) -> {
            if (values.containsKey(alias)) {
                put(alias, own, values.remove(alias));
            }
        });
        word("truncation_mode", "truncation", Map.of("keep_start", "right", "keep_end", "left"));
        sampling();
        labels();
        if (flag("use_cpu")) {
            put("use_cpu", "device", "cpu");
        }
        peft();
        qlora();
        revision();
        if (values.get("log_completions") instanceof Boolean logs) {
            values.remove("log_completions");
            if (!logs) {
                put("log_completions", "log_completions", 0);
            }
        }
        if (List.of().equals(values.get("datasets"))) {
            values.remove("datasets");
        }
        if ("auto".equals(values.get("dtype"))) {
            values.remove("dtype");
        }
        return new Settings(given.origin(), values, written);
    }

    /** Sets our key, unless it says something else already. */
    private void put(String key, String own, @Nullable Object value) {
        Object there = values.get(own);
        if (there != null && value != null && !there.toString().equals(value.toString())) {
            throw new UserErrorException(
                    given.origin() + ": '" + key + "' and '" + own + "' say different things: give one of them");
        }
        if (there == null) {
            values.put(own, value);
            written.put(own, key);
        }
    }

    private boolean flag(String key) {
        boolean value = given.flag(key, false);
        values.remove(key);
        return value;
    }

    private void word(String key, String own, Map<String, String> words) {
        Object value = values.remove(key);
        if (value != null) {
            put(key, own, oneOf(key, value, words));
        }
    }

    private String oneOf(String key, Object value, Map<String, String> words) {
        String word = words.get(value.toString());
        if (word == null) {
            throw new UserErrorException(given.origin() + ": '" + key + "' is not one of its values"
                    + Suggestions.among(value.toString(), words.keySet()));
        }
        return word;
    }

    private void sampling() {
        Object value = values.remove("train_sampling_strategy");
        if (value == null) {
            return;
        }
        Map<String, String> words = Map.of("random", "", "sequential", "shuffle", "group_by_length", "group_by_length");
        String own = oneOf("train_sampling_strategy", value, words);
        if (!own.isEmpty()) {
            put("train_sampling_strategy", own, !own.equals("shuffle"));
        }
    }

    private void labels() {
        if (flag("assistant_only_loss")) {
            put("assistant_only_loss", "train_on", "assistant");
        }
        if (values.get("completion_only_loss") != null) {
            put("completion_only_loss", "train_on", given.flag("completion_only_loss", true) ? "completions" : "all");
        }
        values.remove("completion_only_loss");
    }

    /** QLoRA (Dettmers et al. 2023) is LoRA on a base in NF4 whose scales are quantised too. */
    private void qlora() {
        if (!QLORA.equals(values.get("method"))) {
            return;
        }
        if (given.flag("load_in_8bit", false)) {
            throw new UserErrorException(given.origin()
                    + ": 'method' is qlora, whose base is in 4 bits, and 'load_in_8bit' is true: write method: lora");
        }
        values.put("method", "lora");
        put("method", "load_in_4bit", true);
        values.putIfAbsent("bnb_4bit_quant_type", "nf4");
        values.putIfAbsent("bnb_4bit_use_double_quant", true);
    }

    private void peft() {
        Object type = values.remove("peft_type");
        if (type != null) {
            // PEFT's names for its types are those of our methods in capital letters.
            String method = type.toString().toLowerCase(Locale.ROOT);
            List<String> methods =
                    FineTuningMethod.all().stream().map(FineTuningMethod::name).toList();
            if (!methods.contains(method)) {
                throw new UserErrorException(given.origin() + ": 'peft_type' is " + type + ", which is not built here"
                        + Suggestions.among(method, methods));
            }
            put("peft_type", "method", method);
        }
        Object adapts = values.remove("use_peft");
        if (adapts == null) {
            return;
        }
        boolean full = !given.flag("use_peft", true);
        Object method = values.get("method");
        if (method != null && method.equals("full") != full) {
            throw new UserErrorException(
                    given.origin() + ": 'use_peft' and 'method' say different things: give one of them");
        }
        values.putIfAbsent("method", full ? "full" : "lora");
    }

    private void revision() {
        Object model = values.get("model_name_or_path");
        if (model == null) {
            return; // an override alone: the file names the model
        }
        Object revision = values.remove("model_revision");
        if (revision == null || revision.equals("main")) {
            return; // the main branch is meant by a name alone
        }
        if (Files.exists(given.path("model_name_or_path"))) {
            throw new UserErrorException(given.origin() + ": 'model_revision' is for a model on the hub, and " + model
                    + " is a directory here");
        }
        values.put("model_name_or_path", model + "@" + revision);
    }
}
