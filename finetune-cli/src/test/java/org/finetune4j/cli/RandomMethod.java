package org.finetune4j.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A method with settings of its own. */
final class RandomMethod {

    /** Of PEFT, for most methods. */
    private static final List<String> WITHOUT_DEFAULT_TARGETS = List.of(
            "phi3",
            "olmo2",
            "qwen3_moe",
            "gpt_oss",
            "qwen2_moe",
            "olmoe",
            "smollm3",
            "granite",
            "olmo3",
            "starcoder2",
            "cohere",
            "cohere2",
            "glm4",
            "distilbert",
            "modernbert");

    private interface Settings {
        void draw(Draw draw, Map<String, Object> keys);
    }

    private static final Map<String, Settings> METHODS = methods();
    private static final List<String> NAMES = new ArrayList<>(METHODS.keySet());

    private RandomMethod() {}

    /** The dropouts of methods that have some. */
    private static final Map<String, List<String>> DROPOUTS = Map.of(
            "lora", List.of("lora_dropout"),
            "dora", List.of("lora_dropout"),
            "adalora", List.of("lora_dropout"),
            "loha", List.of("rank_dropout", "module_dropout"),
            "lokr", List.of("rank_dropout", "module_dropout"),
            "adapter", List.of("adapter_dropout"),
            "vera", List.of("vera_dropout"),
            "miss", List.of("miss_dropout"));

    /** Methods that learn from slices of weights. */
    private static final List<String> OF_SLICES = List.of(
            "lora",
            "lora",
            "freeze",
            "ln_tuning",
            "bitfit",
            "adapter",
            "dora",
            "ia3",
            "loha",
            "lokr",
            "vera",
            "fourierft",
            "shira",
            "c3a",
            "hira",
            "randlora",
            "gralora",
            "miss");
    /** What LoRA does with whole weights. */
    private static final List<String> OF_WHOLE_WEIGHTS = List.of("lora_bias", "trainable_token_indices");

    /** Where LoRA starts from what is not known of slices. */
    private static final List<Object> STARTS_OF_WHOLE_WEIGHTS = List.of("eva", "loftq");

    /**
     * Draws {@code method} and its keys.
     *
     * @param ofSlices whether it has to be one that learns from slices of weights
     */
    static Map<String, Object> draw(Draw draw, RandomModel model, boolean ofSlices) {
        Map<String, Object> keys = new LinkedHashMap<>();
        String name = draw.chance(0.25) ? "full" : draw.chance(0.3) ? "lora" : draw.from(ofSlices ? OF_SLICES : NAMES);
        keys.put("method", name);
        METHODS.get(name).draw(draw, keys);
        if (DROPOUTS.containsKey(name) && draw.chance(0.4)) {
            keys.put(draw.from(DROPOUTS.get(name)), draw.of(0.05, 0.3));
        }
        if (ofSlices) {
            keys.keySet().removeAll(OF_WHOLE_WEIGHTS);
            keys.values().removeAll(STARTS_OF_WHOLE_WEIGHTS);
        }
        boolean hasTargets = !List.of(
                        "full",
                        "freeze",
                        "ln_tuning",
                        "bitfit",
                        "adapter",
                        "prefix_tuning",
                        "ptuning_v2",
                        "prompt_tuning",
                        "multitask_prompt_tuning",
                        "p_tuning",
                        "trainable_tokens",
                        "ia3")
                .contains(name);
        if (hasTargets
                && (!keys.containsKey("target_parameters")
                        && (WITHOUT_DEFAULT_TARGETS.contains(model.architecture()) || draw.chance(0.6)))) {
            keys.put("target_modules", "all-linear");
        }
        if (hasTargets && draw.chance(0.1) && model.layers() > 1) {
            keys.put("layers_to_transform", List.of(draw.between(0, model.layers() - 1)));
        }
        if (hasTargets && draw.chance(0.1)) {
            keys.put("modules_to_save", List.of(draw.of("norm", "lm_head", "embed_tokens", "layernorm")));
        }
        if (name.equals("lora") && model.experts() > 0 && !ofSlices && draw.chance(0.3)) {
            keys.remove("target_modules");
            keys.put("target_parameters", List.of(draw.of("mlp.experts.down_proj", "mlp.experts.gate_up_proj")));
        }
        if (!name.equals("full") && !name.equals("freeze") && draw.chance(0.2)) {
            if (draw.chance(0.5)) {
                keys.put("load_in_8bit", true);
            } else {
                keys.put("load_in_4bit", true);
                keys.put("bnb_4bit_quant_type", draw.of("nf4", "fp4"));
                keys.put("bnb_4bit_use_double_quant", draw.chance(0.5));
            }
        }
        return keys;
    }

    private static Map<String, Settings> methods() {
        Map<String, Settings> methods = new LinkedHashMap<>();
        methods.put("full", RandomMethod::full);
        methods.put("lora", RandomMethod::lora);
        methods.put("freeze", (draw, keys) -> {
            keys.put("freeze_layers", draw.of(0, 1, -1));
            keys.put("freeze_embeddings", draw.chance(0.5));
            keys.put("freeze_head", draw.chance(0.3));
        });
        methods.put("dora", ranked(1, 4));
        methods.put("vera", (draw, keys) -> keys.put("r", draw.between(2, 8)));
        methods.put("adalora", (draw, keys) -> {
            keys.put("init_r", draw.between(3, 5));
            keys.put("target_r", 2);
        });
        methods.put("ia3", (draw, keys) -> keys.put("init_ia3_weights", draw.chance(0.5)));
        methods.put("loha", ranked(1, 4));
        methods.put("lokr", (draw, keys) -> {
            keys.put("r", draw.between(1, 4));
            keys.put("decompose_both", draw.chance(0.5));
        });
        methods.put("oft", (draw, keys) -> {
            keys.put("oft_block_size", draw.of(2, 4));
            keys.put("block_share", draw.chance(0.3));
            keys.put("use_cayley_neumann", draw.chance(0.5));
        });
        methods.put("hra", (draw, keys) -> {
            keys.put("r", draw.of(2, 4));
            keys.put("apply_GS", draw.chance(0.5));
        });
        methods.put("fourierft", (draw, keys) -> {
            keys.put("n_frequency", draw.between(3, 40));
            keys.put("init_weights", draw.chance(0.5));
        });
        methods.put("boft", (draw, keys) -> keys.put("boft_block_size", 4));
        methods.put("miss", (draw, keys) -> {
            keys.put("r", draw.of(2, 4));
            if (draw.chance(0.3)) {
                keys.put("init_weights", draw.of("mini", "bat"));
            }
        });
        methods.put("randlora", ranked(2, 8));
        methods.put("road", (draw, keys) -> {
            keys.put("group_size", 4);
            keys.put("variant", draw.of("road_1", "road_2", "road_4"));
        });
        methods.put("delora", ranked(1, 4));
        methods.put("hira", ranked(1, 4));
        methods.put("c3a", (draw, keys) -> keys.put("block_size", draw.of(2, 4)));
        methods.put("shira", (draw, keys) -> {
            keys.put("r", draw.between(1, 3));
            keys.put("random_seed", draw.between(1, 9));
        });
        methods.put("gralora", (draw, keys) -> {
            keys.put("r", 4);
            keys.put("alpha", 8);
            keys.put("gralora_k", 2);
            keys.put("hybrid_r", draw.of(0, 2));
        });
        methods.put("vblora", (draw, keys) -> {
            keys.put("r", draw.between(1, 3));
            keys.put("num_vectors", draw.between(3, 8));
            keys.put("vector_length", draw.of(2, 4));
        });
        methods.put("trainable_tokens", (draw, keys) -> keys.put("token_indices", List.of(5, 40, 77)));
        methods.put("ln_tuning", (draw, keys) -> {});
        methods.put("bitfit", (draw, keys) -> {});
        methods.put("adapter", (draw, keys) -> {
            keys.put("adapter_type", draw.of("houlsby", "pfeiffer", "parallel"));
            keys.put("bottleneck_size", draw.between(1, 5));
        });
        methods.put("prefix_tuning", (draw, keys) -> {
            keys.put("num_virtual_tokens", draw.between(1, 5));
            keys.put("prefix_projection", draw.chance(0.4));
        });
        methods.put("ptuning_v2", virtualTokens());
        methods.put("prompt_tuning", (draw, keys) -> {
            keys.put("num_virtual_tokens", draw.between(1, 5));
            keys.put("prompt_tuning_init", draw.of("RANDOM", "SAMPLE_VOCAB"));
        });
        methods.put("multitask_prompt_tuning", virtualTokens());
        methods.put("p_tuning", (draw, keys) -> {
            keys.put("num_virtual_tokens", draw.between(1, 5));
            keys.put("encoder_hidden_size", draw.between(8, 12));
            keys.put("encoder_reparameterization_type", draw.of("MLP", "LSTM"));
        });
        return methods;
    }

    private static Settings ranked(int least, int most) {
        return (draw, keys) -> keys.put("r", draw.between(least, most));
    }

    private static Settings virtualTokens() {
        return (draw, keys) -> keys.put("num_virtual_tokens", draw.between(1, 5));
    }

    private static void full(Draw draw, Map<String, Object> keys) {
        if (draw.chance(0.2)) {
            keys.put("freeze_layers", 1);
        } else if (draw.chance(0.1)) {
            keys.put("trainable_parameters", List.of(draw.of(".*norm.*", ".*layers\\.0\\..*", ".*weight")));
        }
    }

    private static void lora(Draw draw, Map<String, Object> keys) {
        keys.put("r", draw.between(1, 5));
        keys.put("lora_alpha", draw.of(4, 8, 16));
        if (draw.chance(0.15)) {
            keys.put("use_rslora", true);
        }
        if (draw.chance(0.15)) {
            keys.put("use_dora", true);
        }
        if (draw.chance(0.15)) {
            keys.put("lora_bias", true);
        }
        if (draw.chance(0.15)) {
            keys.put("lora_fa", true);
        }
        if (draw.chance(0.15)) {
            keys.put("loraplus_lr_ratio", 4);
        }
        if (draw.chance(0.25)) {
            keys.put("init_lora_weights", draw.of("gaussian", "pissa", "olora", "eva", "loftq", false));
        }
        if (draw.chance(0.15)) {
            keys.put("bias", draw.of("all", "lora_only"));
        }
        if (draw.chance(0.1)) {
            keys.put("trainable_token_indices", List.of(5, 40));
        }
    }
}
