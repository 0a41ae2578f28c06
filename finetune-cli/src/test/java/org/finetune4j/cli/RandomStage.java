package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A stage's records and settings. */
final class RandomStage {

    /** What stages are drawn from: those that calculate most often come more often. */
    static final List<String> NAMES = List.of(
            "sft",
            "sft",
            "sft",
            "cls",
            "rm",
            "dpo",
            "dpo",
            "orpo",
            "simpo",
            "cpo",
            "kto",
            "ppo",
            "grpo",
            "grpo",
            "rloo",
            "reinforce_plus_plus",
            "online_dpo",
            "rft",
            "distill",
            "distill");

    private static final List<String> PEOPLE = List.of("Tom", "Mary", "Jonas", "Ada", "The old man", "Eve");
    private static final List<String> PLACES = List.of("Oslo", "a tree", "the house at the river", "Rome", "it");

    private RandomStage() {}

    /** Writes records, and puts the keys of the stage among the others. */
    static void draw(Draw draw, String stage, RandomModel model, Path directory, Map<String, Object> keys) {
        Path train = directory.resolve("train.jsonl");
        boolean isText = stage.equals("sft") && draw.chance(0.15);
        write(draw, isText ? "text" : stage, train, draw.between(5, 9));
        write(draw, isText ? "text" : stage, heldOut(stage, directory), draw.between(2, 4));
        keys.put("train_file", train.toString());
        keys.put("max_length", draw.of(32, 48, 64));
        if (!stage.equals("cls") && !isText) {
            keys.put("prompt_template", draw.of("Q: {instruction}\nA:\n", "{instruction} "));
        }
        switch (stage) {
            case "sft" -> supervised(draw, isText, keys);
            case "rm" -> maybe(draw, 0.3, keys, "center_rewards_coefficient", 0.01);
            case "dpo", "orpo", "simpo", "cpo", "kto" -> preferences(draw, stage, keys);
            case "distill" -> distillation(draw, model, directory, keys);
            case "cls" -> {}
            default -> policy(draw, stage, keys);
        }
    }

    /** {@return where the held-out records of a stage lie} */
    static Path heldOut(String stage, Path directory) {
        return directory.resolve("held-out-" + stage + ".jsonl");
    }

    private static void maybe(Draw draw, double share, Map<String, Object> keys, String key, Object value) {
        if (draw.chance(share)) {
            keys.put(key, value);
        }
    }

    private static void supervised(Draw draw, boolean isText, Map<String, Object> keys) {
        maybe(draw, 0.3, keys, "packing", draw.chance(0.7));
        maybe(draw, 0.3, keys, "share_prompts", false);
        maybe(draw, 0.2, keys, "label_smoothing_factor", 0.1);
        maybe(draw, 0.2, keys, "z_loss", 0.01);
        maybe(draw, 0.15, keys, "neftune_noise_alpha", 5);
        maybe(draw, 0.15, keys, "group_by_length", true);
        maybe(draw, 0.1, keys, "streaming", true);
        maybe(draw, 0.1, keys, "truncation", draw.of("left", "drop"));
        if (!isText) {
            maybe(draw, 0.3, keys, "train_on", "all");
        }
    }

    private static void preferences(Draw draw, String stage, Map<String, Object> keys) {
        maybe(draw, 0.3, keys, "share_prompts", false);
        maybe(draw, 0.3, keys, "padding_free", false);
        maybe(draw, 0.3, keys, "beta", 0.3);
        switch (stage) {
            case "dpo" -> {
                if (draw.chance(0.7)) {
                    String loss = draw.of(
                            "sigmoid",
                            "hinge",
                            "ipo",
                            "robust",
                            "cdpo",
                            "exo_pair",
                            "nca_pair",
                            "apo_zero",
                            "apo_down",
                            "bco_pair",
                            "sppo_hard",
                            "sigmoid_norm",
                            "discopop",
                            "aot",
                            "aot_unpaired");
                    keys.put("loss_type", loss);
                    if (List.of("robust", "cdpo", "exo_pair").contains(loss)) {
                        keys.put("label_smoothing", 0.1);
                    }
                } else if (draw.chance(0.3)) {
                    keys.put("loss_type", List.of("sigmoid", "bco_pair"));
                    keys.put("loss_weights", List.of(0.7, 0.3));
                }
                maybe(draw, 0.2, keys, "rpo_alpha", 0.5);
                maybe(draw, 0.15, keys, "ld_alpha", 0.5);
                maybe(draw, 0.15, keys, "use_weighting", true);
                maybe(draw, 0.15, keys, "reference_free", true);
                if (!keys.containsKey("reference_free")) {
                    maybe(draw, 0.3, keys, "precompute_ref_log_probs", true);
                }
            }
            case "cpo" -> maybe(draw, 0.6, keys, "loss_type", draw.of("sigmoid", "hinge", "ipo", "simpo"));
            case "kto" -> {
                keys.put("per_device_train_batch_size", draw.between(2, 4));
                maybe(draw, 0.3, keys, "loss_type", "apo_zero_unpaired");
                maybe(draw, 0.3, keys, "desirable_weight", 0.5);
                maybe(draw, 0.3, keys, "precompute_ref_log_probs", true);
            }
            case "simpo" -> maybe(draw, 0.5, keys, "cpo_alpha", 0.5);
            default -> {}
        }
    }

    private static void policy(Draw draw, String stage, Map<String, Object> keys) {
        keys.remove("max_length");
        int generations = stage.equals("reinforce_plus_plus") ? 1 : draw.of(2, 2, 3, 4);
        if (stage.equals("ppo")) {
            generations = 1;
        } else {
            keys.put("num_generations", generations);
        }
        keys.put("per_device_train_batch_size", draw.between(1, 3));
        keys.put("gradient_accumulation_steps", generations);
        keys.put("max_completion_length", draw.between(3, 6));
        keys.put(
                "reward_funcs",
                draw.chance(0.5)
                        ? List.of(Map.of("type", "length", "min", 90, "max", 99, "unit", "characters"))
                        : List.of(
                                Map.of("type", "length", "max", 20, "unit", "characters"),
                                Map.of("type", "regex", "pattern", "[aeiou].*n")));
        keys.put("stop_on_identical_answers", false);
        maybe(draw, 0.4, keys, "temperature", draw.of(0.7, 1.0, 1.5));
        maybe(draw, 0.2, keys, "top_p", 0.9);
        maybe(draw, 0.2, keys, "top_k", 20);
        maybe(draw, 0.3, keys, "num_mini_batches", 2);
        maybe(draw, 0.3, keys, "normalize_rewards", true);
        maybe(draw, 0.2, keys, "missing_eos_penalty", 0.5);
        maybe(draw, 0.3, keys, "entropy_coef", 0.01);
        switch (stage) {
            case "ppo" -> {
                keys.put("num_ppo_epochs", draw.between(1, 2));
                maybe(draw, 0.3, keys, "adap_kl_ctrl", true);
                maybe(draw, 0.3, keys, "kl_estimator", "k3");
                maybe(draw, 0.3, keys, "whiten_rewards", true);
                maybe(draw, 0.2, keys, "value_adapter", true);
            }
            case "grpo" -> {
                maybe(draw, 0.3, keys, "num_iterations", 2);
                maybe(draw, 0.7, keys, "loss_type", draw.of("grpo", "bnpo", "dr_grpo", "dapo", "gspo"));
                maybe(draw, 0.4, keys, "beta", 0.05);
                maybe(draw, 0.3, keys, "scale_rewards", draw.of("batch", "none"));
            }
            case "rloo" -> maybe(draw, 0.3, keys, "normalize_advantages", true);
            case "rft" -> {
                keys.remove("entropy_coef");
                maybe(draw, 0.3, keys, "reward_threshold", 0.1);
            }
            case "online_dpo" -> keys.remove("entropy_coef");
            default -> {}
        }
    }

    private static void distillation(Draw draw, RandomModel model, Path directory, Map<String, Object> keys) {
        if (draw.chance(0.8)) {
            Path teacher = RandomModel.moved(model.directory(), directory.resolve("teacher"), 0.3);
            keys.put("teacher_model_name_or_path", teacher.toString());
        }
        maybe(draw, 0.4, keys, "distillation_alpha", 0.5);
        maybe(draw, 0.3, keys, "distillation_temperature", 2);
        maybe(draw, 0.5, keys, "beta", draw.of(0, 0.3, 1));
        if (draw.chance(0.4)) {
            keys.put("loss_top_k", draw.of(4, 16));
        } else {
            keys.put("max_new_tokens", draw.between(2, 6));
            keys.put("lmbda", draw.of(0, 0.5, 1));
            maybe(draw, 0.2, keys, "seq_kd", true);
        }
    }

    private static void write(Draw draw, String stage, Path file, int count) {
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String person = draw.from(PEOPLE);
            String prompt = draw.of("Where does %s live?", "What does %s like to eat, and why is that so?")
                    .formatted(person);
            String answer = "In " + draw.from(PLACES) + draw.of(".", ", and nowhere else at all.");
            String other = person + " does " + draw.of("not", "it", "so in the morning") + " " + i + ".";
            lines.add(
                    switch (stage) {
                        case "text" -> "{\"text\": \"%s %s %s\"}".formatted(prompt, answer, other);
                        case "sft", "distill" -> TrainingFiles.record(prompt, answer);
                        case "cls" ->
                            "{\"text\": \"%s\", \"label\": \"%s\"}"
                                    .formatted(prompt, i < 2 ? List.of("a", "b").get(i) : draw.of("a", "b"));
                        case "rm", "dpo", "orpo", "simpo", "cpo" ->
                            "{\"prompt\": \"%s\", \"chosen\": \" %s\", \"rejected\": \" %s\"}"
                                    .formatted(prompt, answer, other);
                        case "kto" ->
                            "{\"prompt\": \"%s\", \"completion\": \" %s\", \"label\": %s}"
                                    .formatted(
                                            prompt,
                                            draw.chance(0.5) ? answer : other,
                                            i < 2 ? i == 0 : draw.chance(0.5));
                        default -> "{\"prompt\": \"%s\"}".formatted(prompt);
                    });
        }
        TrainingFiles.write(file, String.join("\n", lines) + "\n");
    }
}
