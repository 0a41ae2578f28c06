package org.finetune4j.cli.convert;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * LLaMA-Factory's configurations. Its defaults are written out where ours are others: rank 8 with an alpha of twice the rank, all
 * linear layers, 2048 tokens, NF4 with double quantisation, checkpointed activations, learning every answer of a conversation.
 */
final class LlamaFactory {

    private static final KeyTable TABLE = KeyTable.read("llama-factory.yaml");

    /** Templates of which there is one of ours; the names on the right are those of {@code chat_template}. */
    private static final Map<String, String> TEMPLATES = Map.of(
            "alpaca", "alpaca",
            "chatml", "chatml",
            "gemma", "gemma",
            "llama2", "llama2",
            "llama3", "llama3",
            "mistral", "mistral",
            "phi", "phi3",
            "qwen", "qwen",
            "vicuna", "vicuna",
            "zephyr", "zephyr");

    private final Conversion conversion;
    private final String stage;

    LlamaFactory(Conversion conversion) {
        this.conversion = conversion;
        this.stage = conversion.text("stage", "sft");
    }

    void translate() {
        conversion.rename("model_name_or_path", "model_name_or_path");
        stage();
        method();
        quantisation();
        data();
        if (!conversion.flag("disable_gradient_checkpointing", false)) {
            conversion.put("gradient_checkpointing", true);
        }
        if (conversion.flag("disable_shuffling", false)) {
            conversion.put("shuffle", false);
        }
        if (conversion.flag("pure_bf16", false)) {
            conversion.put("bf16", true);
            conversion.put("dtype", "bfloat16");
        }
        for (String key : List.of("add_tokens", "add_special_tokens")) {
            if (conversion.has(key)) {
                conversion.put(key, conversion.list(key));
            }
        }
        optimizer();
        if (!conversion.has("learning_rate")) {
            conversion.put("learning_rate", 5e-5);
        }
        new SharedTraining(conversion).translate();
        for (String key : conversion.given().asMap().keySet()) {
            if (key.startsWith("ray_")) {
                conversion.take(key); // ./finetune launch starts processes
            }
        }
        conversion.useTable(TABLE);
        Pairs.requireTwo(conversion);
    }

    private void optimizer() {
        if (conversion.flag("use_muon", false)) {
            conversion.put("optim", "muon");
        }
        if (conversion.flag("use_adam_mini", false)) {
            conversion.put("optim", "adam_mini");
        }
        lowRank("galore", 2);
        lowRank("apollo", 32);
    }

    private void lowRank(String name, double scale) {
        List<String> targets = conversion.list(name + "_target");
        Map<String, Object> arguments = new LinkedHashMap<>();
        arguments.put("rank", conversion.integer(name + "_rank", 16));
        arguments.put("update_proj_gap", conversion.integer(name + "_update_interval", 200));
        arguments.put("scale", conversion.number(name + "_scale", scale));
        if (name.equals("apollo")) {
            arguments.put("proj", conversion.text("apollo_proj", "random"));
            arguments.put("scale_type", conversion.text("apollo_scale_type", "channel"));
        }
        if (conversion.flag("use_" + name, false)) {
            conversion.put("optim", name + "_adamw");
            conversion.put("optim_args", arguments);
            conversion.put(
                    "optim_target_modules",
                    targets.isEmpty() || targets.equals(List.of("all")) ? "all-linear" : targets);
        }
    }

    private void stage() {
        switch (stage) {
            case "sft", "rm" -> conversion.put("stage", stage);
            case "pt" -> {
                conversion.put("stage", "sft");
                conversion.put("train_on", "all");
            }
            case "dpo" -> preferences();
            case "kto" -> {
                conversion.put("stage", "kto");
                conversion.put("beta", conversion.number("pref_beta", 0.1));
                conversion.rename("kto_chosen_weight", "desirable_weight");
                conversion.rename("kto_rejected_weight", "undesirable_weight");
                refuseShare("pref_ftx", "kto learns no cross entropy beside");
            }
            case "ppo" -> policy();
            default -> conversion.refuse("stage", "'" + stage + "' is none of pt, sft, rm, dpo, kto, ppo");
        }
    }

    private void preferences() {
        String loss = conversion.text("pref_loss", "sigmoid");
        conversion.put("stage", "dpo");
        conversion.put("beta", conversion.number("pref_beta", 0.1));
        double smoothing = conversion.number("dpo_label_smoothing", 0);
        double gamma = conversion.number("simpo_gamma", 0.5);
        switch (loss) {
            case "sigmoid" -> conversion.put("loss_type", smoothing > 0 ? "cdpo" : "sigmoid");
            case "hinge", "ipo" -> conversion.put("loss_type", loss);
            case "orpo" -> conversion.put("stage", "orpo");
            case "simpo" -> {
                conversion.put("stage", "simpo");
                conversion.put("simpo_gamma", gamma);
            }
            default -> conversion.refuse("pref_loss", "'" + loss + "' is none of sigmoid, hinge, ipo, orpo, simpo");
        }
        if (smoothing > 0) {
            if (loss.equals("sigmoid")) {
                conversion.put("label_smoothing", smoothing);
            } else {
                conversion.refuse("dpo_label_smoothing", "it changes the sigmoid loss alone");
            }
        }
        if (loss.equals("orpo") || loss.equals("simpo")) {
            refuseShare("pref_ftx", loss + " has its cross entropy in it");
        } else if (conversion.has("pref_ftx")) {
            conversion.put("rpo_alpha", conversion.number("pref_ftx", 0));
        }
    }

    private void refuseShare(String key, String reason) {
        if (conversion.number(key, 0) != 0) {
            conversion.refuse(key, reason);
        }
    }

    /** The trainer of TRL below 0.12 that LLaMA-Factory brings: fixed coefficients but for the divergence's, which adapts. */
    private void policy() {
        conversion.put("stage", "ppo");
        if (conversion.text("reward_model_type", "lora").equals("api")) {
            conversion.refuse("reward_model_type", "reward_funcs: [{type: http, url: ...}] asks a server");
        }
        conversion.rename("reward_model", "reward_model_path");
        conversion.put("kl_coef", 0.2);
        conversion.put("adap_kl_ctrl", true);
        conversion.put("target_kl", conversion.number("ppo_target", 6));
        conversion.put("num_ppo_epochs", conversion.integer("ppo_epochs", 4));
        conversion.put("num_mini_batches", conversion.integer("ppo_buffer_size", 1));
        conversion.put("whiten_rewards", conversion.flag("ppo_whiten_rewards", false));
        conversion.put("normalize_rewards", conversion.flag("ppo_score_norm", false));
        conversion.put("max_completion_length", conversion.integer("max_new_tokens", 1024));
        conversion.put("temperature", conversion.number("temperature", 0.95));
        conversion.put("top_p", conversion.number("top_p", 0.7));
        conversion.put("top_k", conversion.integer("top_k", 50));
    }

    private void method() {
        String type = conversion.text("finetuning_type", "lora");
        switch (type) {
            case "lora" -> lora();
            case "full" -> conversion.put("method", "full");
            case "oft" -> oft();
            case "freeze" -> {
                int layers = conversion.integer("freeze_trainable_layers", 2);
                conversion.put("method", "freeze");
                if (layers > 0) {
                    conversion.put("freeze_layers", -layers);
                } else {
                    conversion.refuse("freeze_trainable_layers", "the top layers can train, not the lowest alone");
                }
                conversion.put("freeze_head", true);
            }
            default -> conversion.refuse("finetuning_type", "'" + type + "' is not built here");
        }
    }

    private void oft() {
        int blocks = conversion.integer("oft_rank", 0);
        conversion.put("method", "oft");
        conversion.put("r", blocks);
        conversion.put("oft_block_size", conversion.integer("oft_block_size", blocks > 0 ? 0 : 32));
        conversion.rename("module_dropout", "module_dropout");
        targets("oft_target");
    }

    private void targets(String key) {
        List<String> targets = conversion.list(key);
        conversion.put("target_modules", targets.isEmpty() || targets.equals(List.of("all")) ? "all-linear" : targets);
        List<String> whole = conversion.list("additional_target");
        if (!whole.isEmpty()) {
            conversion.put("modules_to_save", whole);
        }
    }

    private void lora() {
        int rank = conversion.integer("lora_rank", 8);
        conversion.put("method", "lora");
        conversion.put("r", rank);
        conversion.put("lora_alpha", conversion.integer("lora_alpha", 2 * rank));
        conversion.rename("lora_dropout", "lora_dropout");
        targets("lora_target");
        int iterations = conversion.integer("pissa_iter", 16);
        if (conversion.flag("pissa_init", false)) {
            conversion.put("init_lora_weights", "pissa");
            if (iterations >= 0) {
                conversion.note("pissa_iter: the decomposition is exact here, not of " + iterations + " iterations");
            }
        }
    }

    private void quantisation() {
        String type = conversion.text("quantization_type", "nf4");
        boolean twice = conversion.flag("double_quantization", true);
        if (!conversion.has("quantization_bit")) {
            return;
        }
        int bits = conversion.integer("quantization_bit", 4);
        if (bits == 4) {
            conversion.put("load_in_4bit", true);
            conversion.put("bnb_4bit_quant_type", type);
            conversion.put("bnb_4bit_use_double_quant", twice);
        } else if (bits == 8) {
            conversion.put("load_in_8bit", true);
        } else {
            conversion.refuse("quantization_bit", "weights are held in 4 or 8 bits");
        }
    }

    private void data() {
        String directory = conversion.text("dataset_dir", "data");
        List<String> datasets = conversion.list("dataset");
        if (!datasets.isEmpty()) {
            conversion.put("dataset_info", directory + "/dataset_info.json");
            conversion.put("dataset", datasets);
        }
        List<String> heldOut = conversion.list("eval_dataset");
        if (!heldOut.isEmpty()) {
            conversion.put("eval_dataset", heldOut);
        }
        conversion.put("max_length", conversion.integer("cutoff_len", 2048));
        share("val_size", "eval_fraction", conversion);
        boolean whole = conversion.flag("train_on_prompt", false);
        boolean last = conversion.flag("mask_history", false);
        boolean contaminated = conversion.flag("packing", false) && !conversion.has("neat_packing");
        boolean packed = conversion.flag("neat_packing", false) || contaminated;
        if (stage.equals("sft")) {
            conversion.put("train_on", whole ? "all" : last ? "last_turn" : "assistant");
            conversion.put("packing", packed);
        }
        if (contaminated && stage.equals("sft")) {
            conversion.note("packing: samples of a row do not see each other here, as with neat_packing");
        }
        if (stage.equals("pt")) { // packed there unless it is told otherwise
            conversion.put("packing", packed || conversion.flag("packing", true));
        }
        if (!stage.equals("pt")) {
            conversion.put("prompt_template", "chat");
            template(conversion.text("template", ""));
        } else {
            conversion.take("template");
        }
    }

    private void template(String name) {
        String own = TEMPLATES.get(name);
        if (own != null) {
            conversion.put("chat_template", own);
        } else if (Set.of("default", "empty").contains(name)) {
            conversion.refuse("template", "chat_template names a file with the template '" + name + "'");
        } else {
            conversion.note("template: " + (name.isEmpty() ? "none was given" : "'" + name + "' is not among ours")
                    + ", so the model's own chat template is used");
        }
    }

    /** A share of the data; a number of samples is refused. */
    static void share(String key, String own, Conversion conversion) {
        double size = conversion.number(key, 0);
        if (size >= 1) {
            conversion.refuse(key, "a share below 1 is held out, or the files that eval_file names");
        } else if (size > 0) {
            conversion.put(own, size);
        }
    }
}
