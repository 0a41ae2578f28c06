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
            "axolotl.integrations.liger.LigerPlugin",
            "axolotl.integrations.cut_cross_entropy.CutCrossEntropyPlugin",
            "axolotl.integrations.kernels.KernelsPlugin",
            "axolotl.integrations.swanlab.SwanLabPlugin");

    /** Ends of texts that checkpoints come with; another one would be for the training. */
    private static final Set<String> USUAL_ENDS = Set.of("</s>", "<|endoftext|>", "<|end_of_text|>");

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
            if (key.startsWith("liger_") || key.startsWith("swanlab_") || key.equals("use_swanlab")) {
                conversion.take(key); // kernels of another kind with the same numbers, reports elsewhere
            }
        }
        batches();
        schedule();
        new SharedTraining(conversion).translate();
        if (!Objects.equals(conversion.ours("stage"), "sft")) {
            conversion.flag("sample_packing", false); // pairs are joined in rows as padding_free says
        }
        defaults();
        conversion.useTable(TABLE);
        Pairs.requireTwo(conversion);
    }

    /** The batch of a step as a whole, which older configurations give in the place of its parts. */
    private void batches() {
        int whole = conversion.integer("batch_size", 0);
        int each = conversion.given().integer("micro_batch_size", 1, 1, 1 << 16);
        if (whole > 0 && !conversion.has("gradient_accumulation_steps")) {
            conversion.put("gradient_accumulation_steps", Math.max(1, whole / each));
        } else if (whole > 0) {
            conversion.note("batch_size: micro_batch_size and gradient_accumulation_steps say it");
        }
    }

    private void schedule() {
        if (conversion.has("cosine_min_lr_ratio") && !conversion.has("cosine_constant_lr_ratio")) {
            conversion.take("lr_scheduler");
            conversion.put("lr_scheduler_type", "cosine_with_min_lr");
            conversion.put("lr_scheduler_kwargs", Map.of("min_lr_rate", conversion.number("cosine_min_lr_ratio", 0)));
        }
    }

    private String stage() {
        String rl = conversion.text("rl", "");
        boolean reward = conversion.flag("reward_model", false);
        switch (rl) {
            case "" -> {
                if (reward) {
                    conversion.take("num_labels"); // a reward is one number
                }
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
            case "" -> {
                conversion.put("method", "full");
                conversion.given().asMap().keySet().stream()
                        .filter(key -> key.startsWith("lora_") && !key.equals("lora_model_dir"))
                        .forEach(conversion::take); // left behind, without an adapter
            }
            case "lora", "qlora" -> {
                conversion.put("method", "lora");
                boolean pattern =
                        conversion.given().value("lora_target_modules").orElse(null) instanceof String text
                                && !text.matches("[\\w., ]*"); // one text of other signs is PEFT's regular expression
                Object whole = pattern ? conversion.take("lora_target_modules") : null;
                List<String> targets = pattern ? List.of() : conversion.list("lora_target_modules");
                if (whole != null) {
                    conversion.put("target_modules", whole);
                    if (conversion.flag("lora_target_linear", false)) {
                        conversion.refuse(
                                "lora_target_linear", "lora_target_modules is a regular expression beside it");
                    }
                } else if (conversion.flag("lora_target_linear", false)) {
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
            quantisation();
        } else if (adapter.equals("qlora")) {
            conversion.refuse("adapter", "qlora needs load_in_4bit: true");
        }
        if (conversion.flag("load_in_8bit", false)) {
            conversion.put("load_in_8bit", true);
        }
    }

    /** What is handed to bitsandbytes as it is: two of its keys are ours too. */
    private void quantisation() {
        if (conversion.take("bnb_config_kwargs") instanceof Map<?, ?> more) {
            more.forEach((key, value) -> {
                if (Set.of("bnb_4bit_quant_type", "bnb_4bit_use_double_quant").contains(key) && value != null) {
                    conversion.put(String.valueOf(key), value);
                } else if (!"bnb_4bit_compute_dtype".equals(key) && !"bnb_4bit_quant_storage".equals(key)) {
                    conversion.refuse(
                            "bnb_config_kwargs." + key,
                            "the keys are bnb_4bit_quant_type and" + " bnb_4bit_use_double_quant");
                }
            });
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
        if (conversion.given().value("tokens").orElse(null) instanceof Map<?, ?>) {
            conversion.take("tokens"); // how older configurations spell special_tokens
            conversion.note("tokens: special tokens are the tokenizer's own");
        }
        Object tokens = conversion.take("special_tokens");
        boolean chats = Objects.equals(conversion.ours("prompt_template"), "chat"); // whose template ends the answers
        if (tokens instanceof Map<?, ?> map) {
            for (Object token : map.keySet()) {
                // Padding is never seen; the others are there to repeat what the tokenizer says, but for an end of
                // another kind.
                if (Set.of("bos_token", "unk_token").contains(token)) {
                    conversion.note("special_tokens." + token + ": the tokenizer's own is used");
                } else if (token.equals("eos_token")
                        && (chats || USUAL_ENDS.contains(String.valueOf(map.get(token))))) {
                    conversion.note("special_tokens.eos_token: the tokenizer's own end is learned; where that is not "
                            + map.get(token) + ", change it in tokenizer_config.json");
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
        if (conversion.ours("lr_scheduler_type") == null) {
            unless("lr_scheduler", "lr_scheduler_type", "cosine");
        }
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
