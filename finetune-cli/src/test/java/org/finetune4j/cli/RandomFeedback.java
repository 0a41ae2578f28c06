package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A training by feedback that nobody wrote: a tiny model, records, and a configuration with a checkpoint after every step.
 *
 * @param config the YAML
 * @param settings what is in it
 * @param what it is, in one line
 */
record RandomFeedback(Path config, Map<String, Object> settings, String what) {

    private static final List<String> STAGES = List.of(
            "rm",
            "cls",
            "dpo",
            "dpo",
            "dpo",
            "orpo",
            "kto",
            "simpo",
            "cpo",
            "ppo",
            "ppo",
            "grpo",
            "grpo",
            "rloo",
            "reinforce_plus_plus",
            "online_dpo",
            "rft");

    /** Draws a training and writes its files. */
    static RandomFeedback draw(long seed, Path directory) {
        Draw draw = new Draw(seed);
        String stage = draw.from(STAGES);
        Path at = directory.resolve("model");
        RandomModel model = stage.equals("cls") ? RandomModel.any(draw, at) : RandomModel.decoder(draw, at);
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("model_name_or_path", at.toString());
        keys.put("stage", stage);
        keys.putAll(RandomMethod.draw(draw, model, false));
        stage(draw, stage, model, directory, keys);
        Path config = directory.resolve("config.yaml");
        RandomFeedback feedback =
                new RandomFeedback(config, keys, stage + " " + keys.get("method") + " of " + model.architecture());
        TrainingFiles.write(config, feedback.yaml());
        return feedback;
    }

    /** Writes the records of a stage, and puts its keys among others: a few steps, with a checkpoint after each. */
    static void stage(Draw draw, String stage, RandomModel model, Path directory, Map<String, Object> keys) {
        RandomStage.draw(draw, stage, model, directory, keys);
        RandomTraining.loop(draw, keys);
        RandomTraining.evaluation(draw, stage, directory, keys);
        keys.remove("num_train_epochs");
        keys.put("max_steps", draw.between(2, 4));
        keys.put("save_strategy", "steps");
        keys.put("save_steps", 1);
        keys.put("save_total_limit", 9);
        keys.remove("load_best_model_at_end"); // a kill leaves another best model than the end
        keys.remove("early_stopping_patience");
        switch (stage) {
            case "dpo" -> direct(draw, keys);
            case "sft", "distill", "rm", "cls", "orpo", "kto", "simpo", "cpo" -> {}
            default -> policy(draw, stage, keys);
        }
        maybe(draw, 0.1, keys, "neftune_noise_alpha", 5);
        maybe(draw, 0.1, keys, "lora_dropout", 0.2, "lora".equals(keys.get("method")));
        maybe(draw, 0.1, keys, "offload_optimizer", "cpu");
        maybe(draw, 0.1, keys, "offload_param", "cpu");
    }

    /** {@return the configuration, every value as JSON, which is YAML} */
    String yaml() {
        return TrainingFiles.yaml(settings);
    }

    /** Trains into a directory. */
    CommandRun train(Path output, String... more) {
        List<String> command = new ArrayList<>(List.of("train", config.toString(), "output_dir=" + output));
        command.addAll(List.of(more));
        return RanksComparison.run(command);
    }

    private static void direct(Draw draw, Map<String, Object> keys) {
        Object loss = keys.getOrDefault("loss_type", "sigmoid");
        boolean diverges = List.of("sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "robust", "cdpo", "discopop")
                .contains(loss);
        maybe(
                draw,
                0.4,
                keys,
                "f_divergence_type",
                draw.of("forward_kl", "js_divergence", "alpha_divergence"),
                diverges);
        if ("alpha_divergence".equals(keys.get("f_divergence_type"))) {
            maybe(draw, 0.5, keys, "f_alpha_divergence_coef", draw.of(0.7, 2.0, -1.0));
        }
        maybe(draw, 0.5, keys, "discopop_tau", draw.of(0.01, 0.3, 1.0), loss.equals("discopop"));
        maybe(
                draw,
                0.5,
                keys,
                "label_smoothing",
                0.2,
                List.of("aot", "aot_unpaired").contains(loss));
        maybe(draw, 0.2, keys, "beta", draw.of(0.01, 2.0));
    }

    private static void policy(Draw draw, String stage, Map<String, Object> keys) {
        if (draw.chance(0.3)) {
            List<Object> sources = new ArrayList<>(List.of(
                    Map.of("type", "overlong", "max", 6, "margin", 3),
                    "json_format",
                    Map.of("type", "regex", "pattern", "^\\w+ .*", "full_match", draw.chance(0.5)),
                    Map.of("type", "length", "unit", draw.of("words", "tokens"), "min", 1, "max", 3)));
            int count = draw.between(1, 4);
            keys.put("reward_funcs", sources.subList(0, count));
            maybe(
                    draw,
                    0.6,
                    keys,
                    "reward_weights",
                    List.of(0.5, 2.0, -1.0, 0.1).subList(0, count));
        }
        maybe(draw, 0.2, keys, "reward_clip", 0.5);
        maybe(draw, 0.2, keys, "stop_strings", List.of("a", "."));
        maybe(draw, 0.2, keys, "max_prompt_length", draw.of(8, 20, 40));
        maybe(draw, 0.1, keys, "max_kl", draw.of(0.0001, 5));
        maybe(draw, 0.1, keys, "log_completions", draw.of(0, 7));
        maybe(draw, 0.1, keys, "min_p", 0.2);
        switch (stage) {
            case "ppo" -> {
                maybe(draw, 0.3, keys, "gamma", draw.of(0.0, 0.9));
                maybe(draw, 0.3, keys, "lam", draw.of(0.0, 1.0));
                maybe(draw, 0.2, keys, "kl_coef", draw.of(0.0, 1.0));
                maybe(draw, 0.2, keys, "cliprange", draw.of(0.01, 5.0));
            }
            case "grpo" -> {
                maybe(draw, 0.3, keys, "epsilon_high", 0.28);
                maybe(draw, 0.3, keys, "importance_sampling_level", draw.of("token", "sequence"));
            }
            case "online_dpo" -> maybe(draw, 0.3, keys, "loss_type", draw.of("hinge", "ipo"));
            default -> {}
        }
    }

    private static void maybe(
            Draw draw, double share, Map<String, Object> keys, String key, Object value, boolean allowed) {
        if (draw.chance(share) && allowed) {
            keys.put(key, value);
        }
    }

    private static void maybe(Draw draw, double share, Map<String, Object> keys, String key, Object value) {
        maybe(draw, share, keys, key, value, true);
    }
}
