package org.finetune4j.cli.convert;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/**
 * Axolotl's configurations. Its defaults are written out where ours are others: one epoch, a cosine schedule, a row a batch, long
 * samples left out, NF4 with double quantisation, prompts not learned.
 */
final class Axolotl {

    private static final KeyTable TABLE = KeyTable.read("axolotl.yaml");

    private static final Map<String, String> TEMPLATES = Map.ofEntries(
            Map.entry("alpaca", "alpaca"),
            Map.entry("chatml", "chatml"),
            Map.entry("gemma", "gemma"),
            Map.entry("llama3", "llama3"),
            Map.entry("mistral_v1", "mistral"),
            Map.entry("mistral_v2v3", "mistral"),
            Map.entry("phi_3", "phi3"),
            Map.entry("phi_35", "phi3"),
            Map.entry("qwen_25", "qwen"));

    private static final Set<String> KERNELS = Set.of(
            "axolotl.integrations.liger.LigerPlugin", "axolotl.integrations.cut_cross_entropy.CutCrossEntropyPlugin");

    private final Conversion conversion;

    Axolotl(Conversion conversion) {
        this.conversion = conversion;
    }

    void translate() {
        conversion.put("stage", stage());
        method();
        new AxolotlDatasets(conversion).translate();
        template();
        labels();
        LlamaFactory.share("val_set_size", "eval_fraction", conversion);
        checkpointing();
        intervals();
        specialTokens();
        plugins();
        for (String key : conversion.given().asMap().keySet()) {
            if (key.startsWith("liger_")) {
                conversion.take(key); // kernels of another kind, the same numbers
            }
        }
        defaults();
        conversion.useTable(TABLE);
    }

    private String stage() {
        String rl = conversion.text("rl", "");
        boolean reward = conversion.flag("reward_model", false);
        switch (rl) {
            case "" -> {
                return reward ? "rm" : "sft";
            }
            case "dpo", "orpo", "kto", "simpo" -> {
                return rl;
            }
            case "ipo" -> {
                conversion.put("loss_type", "ipo");
                return "dpo";
            }
            default -> {
                conversion.refuse("rl", "'" + rl + "' has no counterpart that reads the same keys: see stage");
                return "sft";
            }
        }
    }

    private void method() {
        String adapter = conversion.text("adapter", "");
        switch (adapter) {
            case "" -> conversion.put("method", "full");
            case "lora", "qlora" -> {
                conversion.put("method", "lora");
                List<String> targets = conversion.list("lora_target_modules");
                if (conversion.flag("lora_target_linear", false)) {
                    conversion.put("target_modules", "all-linear");
                } else if (!targets.isEmpty()) {
                    conversion.put("target_modules", targets);
                }
            }
            default -> conversion.refuse("adapter", "'" + adapter + "' is neither lora nor qlora");
        }
        if (conversion.flag("load_in_4bit", false)) {
            conversion.put("load_in_4bit", true);
            conversion.put("bnb_4bit_quant_type", conversion.text("bnb_4bit_quant_type", "nf4"));
            conversion.put("bnb_4bit_use_double_quant", conversion.flag("bnb_4bit_use_double_quant", true));
        } else if (adapter.equals("qlora")) {
            conversion.refuse("adapter", "qlora needs load_in_4bit: true");
        }
        if (conversion.flag("load_in_8bit", false)) {
            conversion.put("load_in_8bit", true);
        }
    }

    private void template() {
        if (!conversion.has("chat_template")) {
            return;
        }
        String name = conversion.text("chat_template", "");
        String own = TEMPLATES.get(name);
        if (own != null) {
            conversion.put("chat_template", own);
        } else if (!name.equals("tokenizer_default")) {
            conversion.note("chat_template: '" + name + "' is not among ours, so the model's own is used");
        }
    }

    private void labels() {
        boolean prompts = conversion.flag("train_on_inputs", false);
        if (Objects.equals(conversion.ours("stage"), "sft")) {
            boolean conversations = Objects.equals(conversion.ours("prompt_template"), "chat");
            conversion.put("train_on", prompts ? "all" : conversations ? "assistant" : "completions");
        }
    }

    private void checkpointing() {
        Object value = conversion.take("gradient_checkpointing");
        Object offloading = conversion.take("activation_offloading");
        String how = String.valueOf(value);
        if (value != null) {
            conversion.put("gradient_checkpointing", !how.equals("false"));
        }
        boolean offloaded = offloading != null && !String.valueOf(offloading).equals("false");
        if (offloaded || how.startsWith("offload")) {
            conversion.put("activation_offloading", true);
        }
    }

    /** As many times an epoch: a share of all steps. */
    private void intervals() {
        double epochs = conversion.given().number("num_epochs", 1);
        if (conversion.has("evals_per_epoch")) {
            every("eval", conversion.number("evals_per_epoch", 1) * epochs);
        }
        if (conversion.has("saves_per_epoch")) {
            every("save", conversion.number("saves_per_epoch", 1) * epochs);
        }
    }

    private void every(String what, double times) {
        boolean heldOut = conversion.ours("eval_fraction") != null || conversion.ours("eval_file") != null;
        if (times <= 0 || (what.equals("eval") && !heldOut)) {
            return;
        }
        conversion.put(what + "_strategy", "steps");
        conversion.put(what + "_steps", times > 1 ? 1 / times : 0.999);
    }

    private void specialTokens() {
        Object tokens = conversion.take("special_tokens");
        if (tokens instanceof Map<?, ?> map) {
            for (Object token : map.keySet()) {
                // Padding is never seen; the others are there to repeat what the tokenizer says, but for an end of
                // another kind.
                if (Set.of("bos_token", "unk_token").contains(token)) {
                    conversion.note("special_tokens." + token + ": the tokenizer's own is used");
                } else if (!token.equals("pad_token")) {
                    conversion.refuse(
                            "special_tokens." + token,
                            "the tokenizer's own are used: change them in tokenizer_config.json");
                }
            }
        }
    }

    private void plugins() {
        for (String plugin : conversion.list("plugins")) {
            if (!KERNELS.contains(plugin)) {
                conversion.refuse("plugins", plugin + " is Python code");
            }
        }
        conversion.flag("cut_cross_entropy", false);
    }

    private void defaults() {
        unless("num_epochs", "num_train_epochs", 1);
        unless("micro_batch_size", "per_device_train_batch_size", 1);
        unless("lr_scheduler", "lr_scheduler_type", "cosine");
        unless("excess_length_strategy", "truncation", "drop");
        unless("sequence_len", "max_length", 512);
        unless("output_dir", "output_dir", "./model-out");
    }

    private void unless(String key, String own, Object value) {
        if (!conversion.has(key)) {
            conversion.put(own, value);
        }
    }
}
