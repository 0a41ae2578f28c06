package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A training that nobody wrote: a tiny model, records, a configuration and ranks to spread it over.
 *
 * @param model that trains
 * @param config the YAML
 * @param settings what is in it
 * @param launch the command of the ranks
 * @param relaunch that of the ranks which go on with the second half, empty where there is none
 */
record RandomTraining(
        RandomModel model, Path config, Map<String, Object> settings, List<String> launch, List<String> relaunch) {

    /**
     * Draws a training and writes its files.
     *
     * @param withProcesses whether ranks may be processes
     */
    static RandomTraining draw(long seed, Path directory, boolean withProcesses) {
        Draw draw = new Draw(seed);
        String stage = draw.from(RandomStage.NAMES);
        Path at = directory.resolve("model");
        RandomModel model = stage.equals("cls") ? RandomModel.any(draw, at) : RandomModel.decoder(draw, at);
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("model_name_or_path", at.toString());
        keys.put("stage", stage);
        RandomRanks ranks = RandomRanks.draw(draw, model, withProcesses);
        keys.putAll(RandomMethod.draw(draw, model, ranks.haveSlices() && draw.chance(0.8)));
        RandomStage.draw(draw, stage, model, directory, keys);
        loop(draw, keys);
        evaluation(draw, stage, directory, keys);
        if (model.experts() > 0 && draw.chance(0.3)) {
            keys.put("router_aux_loss_coef", 0.02);
        }
        if (model.experts() > 0 && draw.chance(0.2)) {
            keys.put("router_z_loss_coef", 0.01);
        }
        List<String> launch = ranks.launch(draw, model, directory, keys);
        boolean resumes = draw.chance(0.15);
        List<String> relaunch =
                resumes ? RandomRanks.draw(draw, model, false).launch(draw, model, directory, keys) : List.of();
        if (resumes) {
            keys.remove("num_train_epochs");
            keys.put("max_steps", 4);
            keys.put("save_strategy", "steps");
            keys.put("save_steps", 2);
        }
        Path config = directory.resolve("config.yaml");
        RandomTraining training = new RandomTraining(model, config, keys, launch, relaunch);
        TrainingFiles.write(config, training.yaml());
        return training;
    }

    /** {@return the configuration, every value as JSON, which is YAML} */
    String yaml() {
        return TrainingFiles.yaml(settings);
    }

    /** {@return the model, the stage, the method and the ranks in one line} */
    String describe() {
        return settings.get("stage") + " " + settings.get("method") + " of " + model.architecture() + " ("
                + model.layers() + " layers, " + model.heads() + " heads), " + String.join(" ", launch)
                + (relaunch.isEmpty() ? "" : ", then " + String.join(" ", relaunch));
    }

    /** {@return the share of a number that is rounded away} */
    double lastDigit() {
        return settings.containsKey("bf16") || settings.containsKey("dtype")
                ? RandomModel.LAST_DIGIT_OF_BFLOAT16
                : RandomModel.LAST_DIGIT;
    }

    /** {@return whether anything is drawn at random in a step} */
    boolean draws() {
        return model.drops()
                || settings.containsKey("neftune_noise_alpha")
                || settings.keySet().stream().anyMatch(key -> key.endsWith("_dropout"));
    }

    /** Trains by one process, with other settings besides. */
    CommandRun train(Path output, List<String> more) {
        return run(List.of("train"), relaunch.isEmpty() ? List.of() : List.of("train"), output, more);
    }

    /** Trains by the ranks. */
    CommandRun launch(Path output) {
        return run(launch, relaunch, output, List.of());
    }

    /** A second command goes on from the half of the first one. */
    private CommandRun run(List<String> first, List<String> second, Path output, List<String> more) {
        if (second.isEmpty()) {
            return run(first, output, more);
        }
        List<String> half = new ArrayList<>(more);
        half.add("max_steps=2");
        CommandRun run = run(first, output, half);
        List<String> whole = new ArrayList<>(more);
        whole.add("resume_from_checkpoint=true");
        return run.exitCode() == 0 ? run(second, output, whole) : run;
    }

    private CommandRun run(List<String> command, Path output, List<String> more) {
        List<String> all = new ArrayList<>(command);
        all.addAll(List.of(config.toString(), "output_dir=" + output));
        all.addAll(more);
        return RanksComparison.run(all);
    }

    static void loop(Draw draw, Map<String, Object> keys) {
        keys.putIfAbsent("per_device_train_batch_size", draw.between(1, 4));
        keys.putIfAbsent("gradient_accumulation_steps", draw.between(1, 4));
        if (draw.chance(0.5)) {
            keys.put("max_steps", draw.between(2, 4));
        } else {
            keys.put("num_train_epochs", draw.between(1, 2));
        }
        keys.put("learning_rate", draw.of(1e-4, 1e-3, 3e-3));
        keys.put("seed", draw.between(1, 1000));
        keys.put("report_to", "html");
        keys.put("num_preview_samples", draw.of(0, 0, 1));
        if (draw.chance(0.25)) {
            keys.put("optim", "sgd"); // follows gradients as far as they go: no rounding becomes a step
        } else if (draw.chance(0.5)) {
            keys.put(
                    "optim",
                    draw.of(
                            "adamw",
                            "adam",
                            "adafactor",
                            "lion",
                            "sgd",
                            "rmsprop",
                            "adagrad",
                            "muon",
                            "galore_adamw",
                            "apollo_adamw",
                            "adam_mini",
                            "schedule_free_adamw",
                            "adamw_8bit",
                            "paged_adamw_8bit",
                            "paged_adamw_32bit"));
        }
        maybe(
                draw,
                0.3,
                keys,
                "lr_scheduler_type",
                draw.of(
                        "constant",
                        "cosine",
                        "constant_with_warmup",
                        "polynomial",
                        "inverse_sqrt",
                        "cosine_with_restarts",
                        "warmup_stable_decay",
                        "rex"));
        maybe(draw, 0.2, keys, draw.of("warmup_steps", "warmup_ratio"), draw.of(0.5, 0.25));
        maybe(draw, 0.2, keys, "weight_decay", 0.1);
        maybe(draw, 0.1, keys, "decay_norms_and_biases", true);
        maybe(draw, 0.1, keys, "adam_beta1", 0.5);
        maybe(draw, 0.1, keys, "adam_epsilon", 1e-4);
        if ("sgd".equals(keys.get("optim"))) {
            maybe(draw, 0.3, keys, "momentum", 0.9);
        }
        maybe(draw, 0.3, keys, "max_grad_norm", draw.of(0, 0.1, 5));
        maybe(draw, 0.07, keys, "ema_decay", 0.5);
        maybe(draw, 0.3, keys, "gradient_checkpointing", draw.of(true, true, 2));
        if (keys.containsKey("gradient_checkpointing") && draw.chance(0.3)) {
            keys.put("activation_offloading", true);
        }
        maybe(draw, 0.15, keys, "fused_layers", false);
        if (draw.chance(0.08)) {
            keys.put("optimizer_in_backward", true);
            keys.put("max_grad_norm", 0);
            keys.put("gradient_accumulation_steps", 1);
        }
        maybe(draw, 0.1, keys, "statistics_steps", 1);
        maybe(draw, 0.1, keys, "logging_steps", 2);
        maybe(draw, 0.05, keys, "logging_strategy", draw.of("epoch", "no"));
        maybe(draw, 0.1, keys, "shuffle", false);
        maybe(draw, 0.1, keys, "dataloader_num_workers", draw.of(0, 2));
        maybe(draw, 0.08, keys, "dtype", "bfloat16");
        maybe(draw, 0.08, keys, "bf16", true);
    }

    static void evaluation(Draw draw, String stage, Path directory, Map<String, Object> keys) {
        if (draw.chance(0.5)) {
            if (draw.chance(0.3)) {
                keys.put("eval_fraction", 0.3);
            } else {
                keys.put("eval_file", RandomStage.heldOut(stage, directory).toString());
            }
            if (draw.chance(0.8)) {
                keys.put("eval_strategy", "steps");
                keys.put("eval_steps", draw.of(1, 2));
            } else {
                keys.put("eval_strategy", "epoch");
                keys.put("save_strategy", "epoch");
            }
            if (stage.equals("sft") && draw.chance(0.3)) {
                keys.put("eval_metrics", List.of("exact_match", "rougeL"));
                keys.put("eval_max_new_tokens", 4);
                maybe(draw, 0.5, keys, "eval_generated_samples", 2);
            }
            maybe(draw, 0.3, keys, "per_device_eval_batch_size", draw.between(1, 3));
            if (draw.chance(0.3)) {
                keys.put("load_best_model_at_end", true);
                maybe(draw, 0.5, keys, "early_stopping_patience", 1);
            }
        }
        if (!keys.containsKey("save_strategy") && draw.chance(0.4)) {
            keys.put("save_strategy", "steps");
            keys.put("save_steps", draw.of(1, 2));
            maybe(draw, 0.5, keys, "save_total_limit", 2);
        } else if (!keys.containsKey("save_strategy") && draw.chance(0.3)) {
            keys.put("save_strategy", "no");
        }
    }

    private static void maybe(Draw draw, double share, Map<String, Object> keys, String key, Object value) {
        if (draw.chance(share)) {
            keys.put(key, value);
        }
    }
}
