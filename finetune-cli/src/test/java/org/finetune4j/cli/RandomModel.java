package org.finetune4j.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.finetune4j.Json;
import org.finetune4j.cli.quickstart.EmbeddedModelFiles;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.safetensors.CheckpointWriter;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/**
 * A tiny model of some architecture and shape, with the embedded model's tokenizer.
 *
 * @param directory where it was written
 * @param architecture its {@code model_type}
 * @param layers of it
 * @param heads of its attention
 * @param experts of its mixtures, 0 without
 * @param drops whether its own layers may drop something
 */
record RandomModel(Path directory, String architecture, int layers, int heads, int experts, boolean drops) {

    /** The share of a weight that its last digit is, in float32. */
    static final double LAST_DIGIT = 6e-8;
    /** The same in bfloat16, to which factors of products are rounded. */
    static final double LAST_DIGIT_OF_BFLOAT16 = 2e-3;

    private static final Path WORD_PIECES =
            Path.of("../finetune-core/src/test/resources/tokenizer/tiny-wordpiece/tokenizer.json");
    private static final List<String> DECODERS = List.of(
            "llama",
            "llama",
            "mistral",
            "qwen2",
            "qwen3",
            "gemma",
            "gemma2",
            "gemma3_text",
            "olmo2",
            "phi3",
            "gpt2",
            "gpt_neox",
            "opt",
            "mixtral",
            "qwen3_moe",
            "smollm3",
            "granite",
            "olmo3",
            "qwen2_moe",
            "olmoe",
            "gpt_oss",
            "starcoder2",
            "cohere",
            "cohere2",
            "glm4",
            "phi",
            "stablelm",
            "ministral3",
            "seed_oss",
            "ernie4_5",
            "hunyuan_v1_dense",
            "exaone4",
            "arcee",
            "apertus",
            "nemotron",
            "helium",
            "glm4_moe",
            "falcon",
            "gpt_bigcode",
            "olmo");
    private static final List<String> ENCODERS = List.of("bert", "roberta", "electra", "distilbert", "modernbert");
    private static final Map<String, String> CLASSES = Map.ofEntries(
            Map.entry("llama", "LlamaForCausalLM"),
            Map.entry("mistral", "MistralForCausalLM"),
            Map.entry("qwen2", "Qwen2ForCausalLM"),
            Map.entry("qwen3", "Qwen3ForCausalLM"),
            Map.entry("gemma", "GemmaForCausalLM"),
            Map.entry("gemma2", "Gemma2ForCausalLM"),
            Map.entry("gemma3_text", "Gemma3ForCausalLM"),
            Map.entry("olmo2", "Olmo2ForCausalLM"),
            Map.entry("phi3", "Phi3ForCausalLM"),
            Map.entry("gpt2", "GPT2LMHeadModel"),
            Map.entry("gpt_neox", "GPTNeoXForCausalLM"),
            Map.entry("opt", "OPTForCausalLM"),
            Map.entry("mixtral", "MixtralForCausalLM"),
            Map.entry("qwen3_moe", "Qwen3MoeForCausalLM"),
            Map.entry("smollm3", "SmolLM3ForCausalLM"),
            Map.entry("granite", "GraniteForCausalLM"),
            Map.entry("olmo3", "Olmo3ForCausalLM"),
            Map.entry("qwen2_moe", "Qwen2MoeForCausalLM"),
            Map.entry("olmoe", "OlmoeForCausalLM"),
            Map.entry("gpt_oss", "GptOssForCausalLM"),
            Map.entry("starcoder2", "Starcoder2ForCausalLM"),
            Map.entry("cohere", "CohereForCausalLM"),
            Map.entry("cohere2", "Cohere2ForCausalLM"),
            Map.entry("glm4", "Glm4ForCausalLM"),
            Map.entry("phi", "PhiForCausalLM"),
            Map.entry("stablelm", "StableLmForCausalLM"),
            Map.entry("ministral3", "Ministral3ForCausalLM"),
            Map.entry("seed_oss", "SeedOssForCausalLM"),
            Map.entry("ernie4_5", "Ernie4_5ForCausalLM"),
            Map.entry("hunyuan_v1_dense", "HunYuanDenseV1ForCausalLM"),
            Map.entry("exaone4", "Exaone4ForCausalLM"),
            Map.entry("arcee", "ArceeForCausalLM"),
            Map.entry("apertus", "ApertusForCausalLM"),
            Map.entry("nemotron", "NemotronForCausalLM"),
            Map.entry("helium", "HeliumForCausalLM"),
            Map.entry("glm4_moe", "Glm4MoeForCausalLM"),
            Map.entry("falcon", "FalconForCausalLM"),
            Map.entry("gpt_bigcode", "GPTBigCodeForCausalLM"),
            Map.entry("olmo", "OlmoForCausalLM"),
            Map.entry("bert", "BertForSequenceClassification"),
            Map.entry("roberta", "RobertaForSequenceClassification"),
            Map.entry("electra", "ElectraForSequenceClassification"),
            Map.entry("distilbert", "DistilBertForSequenceClassification"),
            Map.entry("modernbert", "ModernBertForSequenceClassification"));

    /** Draws a decoder. */
    static RandomModel decoder(Draw draw, Path directory) {
        return write(draw, draw.from(DECODERS), directory);
    }

    /** Draws a decoder or an encoder, where both can be trained. */
    static RandomModel any(Draw draw, Path directory) {
        return draw.chance(0.3) ? write(draw, draw.from(ENCODERS), directory) : decoder(draw, directory);
    }

    private static RandomModel write(Draw draw, String architecture, Path directory) {
        int heads = draw.of(2, 4, 4, 6);
        int keyHeads = draw.chance(0.5) ? heads : draw.of(1, 2);
        int headSize = draw.of(8, 12);
        int layers = draw.of(1, 2, 3, 4, 4);
        boolean isMixture = List.of("mixtral", "qwen3_moe", "qwen2_moe", "olmoe", "gpt_oss", "glm4_moe")
                .contains(architecture);
        int experts = isMixture ? draw.of(2, 4, 6) : 0;
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("architectures", List.of(String.valueOf(CLASSES.get(architecture))));
        config.put("model_type", architecture);
        config.put("vocab_size", 1024 + draw.of(0, 0, 1, 7, 12));
        config.put("bos_token_id", 0);
        config.put("eos_token_id", 0);
        config.put("pad_token_id", 1);
        config.put("initializer_range", 0.15);
        config.put("init_std", 0.15);
        int width = heads * headSize;
        int inner = 4 * draw.between(7, 21);
        switch (architecture) {
            case "gpt2", "gpt_bigcode" ->
                config.putAll(Map.of("n_embd", width, "n_head", heads, "n_layer", layers, "n_positions", 128));
            case "bert", "roberta", "electra", "distilbert", "modernbert" -> {
                config.put("vocab_size", 500 + draw.of(0, 3));
                config.put("pad_token_id", 0);
                config.put("type_vocab_size", 2);
            }
            default -> config.put("tie_word_embeddings", !architecture.equals("phi") && draw.chance(0.4));
        }
        double dropped = draw.chance(0.3) ? draw.of(0.1, 0.3) : 0;
        for (String dropout : List.of(
                "attn_pdrop",
                "embd_pdrop",
                "resid_pdrop",
                "dropout",
                "hidden_dropout_prob",
                "attention_probs_dropout_prob",
                "attention_dropout",
                "hidden_dropout")) {
            boolean isKnown =
                    !architecture.equals("falcon") && (!architecture.equals("phi3") || !dropout.equals("embd_pdrop"));
            config.put(dropout, isKnown && draw.chance(0.7) ? dropped : 0.0);
        }
        config.putAll(Map.of(
                "hidden_size", width,
                "num_attention_heads", heads,
                "num_hidden_layers", layers,
                "intermediate_size", inner,
                "max_position_embeddings", 128));
        switch (architecture) {
            case "distilbert" ->
                config.putAll(Map.of("dim", width, "n_heads", heads, "n_layers", layers, "hidden_dim", inner));
            case "modernbert" ->
                config.putAll(Map.of(
                        "local_attention",
                        draw.of(6, 12, 128),
                        "global_attn_every_n_layers",
                        draw.of(2, 3),
                        "classifier_pooling",
                        draw.of("cls", "mean"),
                        "embedding_dropout",
                        dropped,
                        "mlp_dropout",
                        dropped,
                        "classifier_dropout",
                        dropped));
            case "electra" -> config.put("embedding_size", draw.of(width, 20));
            case "opt" -> {
                config.put("ffn_dim", inner);
                config.put("word_embed_proj_dim", width);
            }
            case "gpt_neox" -> {
                config.put("use_parallel_residual", draw.chance(0.5));
                config.put("rotary_pct", 0.5);
            }
            case "mixtral" -> config.putAll(Map.of("num_local_experts", experts, "num_experts_per_tok", 2));
            case "qwen3_moe" ->
                config.putAll(Map.of(
                        "num_experts",
                        experts,
                        "num_experts_per_tok",
                        2,
                        "moe_intermediate_size",
                        24,
                        "norm_topk_prob",
                        true,
                        "decoder_sparse_step",
                        1));
            case "qwen2_moe" ->
                config.putAll(Map.of(
                        "num_experts",
                        experts,
                        "num_experts_per_tok",
                        2,
                        "moe_intermediate_size",
                        24,
                        "shared_expert_intermediate_size",
                        20));
            case "gpt_oss" ->
                config.putAll(Map.of(
                        "num_local_experts", experts, "num_experts_per_tok", 2, "sliding_window", draw.of(6, 8, 128)));
            case "olmoe" -> config.putAll(Map.of("num_experts", experts, "num_experts_per_tok", 2));
            case "glm4_moe" ->
                config.putAll(Map.of(
                        "n_routed_experts",
                        2 * experts,
                        "num_experts_per_tok",
                        2,
                        "moe_intermediate_size",
                        24,
                        "n_group",
                        experts,
                        "topk_group",
                        2,
                        "first_k_dense_replace",
                        layers > 1 && draw.chance(0.5) ? 1 : 0,
                        "use_qk_norm",
                        draw.chance(0.5)));
            case "falcon" -> {
                boolean byGroup = draw.chance(0.6);
                config.put("new_decoder_architecture", byGroup);
                config.put("num_kv_heads", byGroup ? keyHeads : heads);
                config.put("multi_query", draw.chance(0.5));
                config.put("ffn_hidden_size", inner);
                config.put("bias", draw.chance(0.5));
            }
            case "granite" ->
                config.putAll(Map.of(
                        "embedding_multiplier",
                        2.0,
                        "residual_multiplier",
                        0.4,
                        "attention_multiplier",
                        0.3,
                        "logits_scaling",
                        2.0));
            case "smollm3" -> config.put("no_rope_layer_interval", 2);
            case "stablelm", "nemotron" -> config.put("partial_rotary_factor", 0.5);
            case "ministral3" ->
                config.put(
                        "rope_parameters",
                        Map.of(
                                "rope_type",
                                "yarn",
                                "rope_theta",
                                10_000.0,
                                "factor",
                                4.0,
                                "original_max_position_embeddings",
                                16,
                                "llama_4_scaling_beta",
                                0.3));
            case "apertus" -> config.put("rope_parameters", Map.of("rope_type", "default", "rope_theta", 10_000.0));
            case "seed_oss" -> config.put("residual_dropout", config.get("attention_dropout"));
            case "exaone4" -> {
                config.put("sliding_window", draw.of(6, 8, 128));
                config.put("sliding_window_pattern", 2);
            }
            case "olmo" -> config.put("clip_qkv", 1.5);
            case "cohere" -> config.put("use_qk_norm", draw.chance(0.5));
            case "olmo3", "cohere2", "starcoder2" -> config.put("sliding_window", draw.of(6, 8, 128));
            case "gemma2", "gemma3_text", "mistral" -> config.put("sliding_window", draw.of(6, 8, 128));
            default -> {}
        }
        if (!ENCODERS.contains(architecture)
                && !List.of("gpt2", "gpt_neox", "opt", "falcon", "gpt_bigcode").contains(architecture)) {
            config.put("num_key_value_heads", keyHeads);
            if (!architecture.equals("phi3") && !architecture.equals("qwen2") && !architecture.equals("olmo2")) {
                config.put("head_dim", headSize);
            }
            if (architecture.startsWith("gemma") && !architecture.equals("gemma")) {
                config.put("query_pre_attn_scalar", headSize);
            }
        }
        lessUsual(draw, architecture, layers, width, config);
        ModelConfig parsed = ModelConfig.parse(Json.write(config), directory.toString());
        try (CausalLM model = CausalLM.initialize(parsed, null, LoadOptions.defaults(), draw.between(1, 1000))) {
            model.save(directory);
        }
        writeTokenizer(directory, architecture);
        return new RandomModel(directory, architecture, layers, heads, experts, dropped > 0);
    }

    /** What some checkpoints have that most of the family have not. */
    private static void lessUsual(Draw draw, String architecture, int layers, int width, Map<String, Object> config) {
        if (draw.chance(0.5)) {
            return;
        }
        switch (architecture) {
            case "llama" -> {
                config.put("attention_bias", draw.chance(0.5));
                config.put("mlp_bias", draw.chance(0.5));
                config.put(
                        "rope_scaling",
                        draw.of(
                                Map.of("rope_type", "linear", "factor", 2.0),
                                Map.of("rope_type", "yarn", "factor", 4.0)));
            }
            case "hunyuan_v1_dense" ->
                config.put("rope_parameters", Map.of("rope_type", "dynamic", "factor", 1.0, "alpha", 50.0));
            case "arcee", "nemotron" -> config.putAll(Map.of("attention_bias", true, "mlp_bias", draw.chance(0.5)));
            case "apertus", "helium", "olmo" -> config.put("attention_bias", true);
            case "ernie4_5" -> config.put("use_bias", true);
            case "seed_oss" -> config.putAll(Map.of("attention_bias", false, "mlp_bias", true));
            case "ministral3" -> config.put("sliding_window", 6);
            case "qwen3", "olmo2", "phi3" -> config.put("attention_bias", !architecture.equals("phi3"));
            case "qwen2" ->
                config.putAll(Map.of("use_sliding_window", true, "sliding_window", 6, "max_window_layers", 1));
            case "gpt2" -> {
                config.put("tie_word_embeddings", false);
                config.put("scale_attn_by_inverse_layer_idx", draw.chance(0.5));
                config.put("n_inner", 56);
            }
            case "gpt_neox" -> config.putAll(Map.of("attention_bias", false, "rotary_pct", 1.0));
            case "opt" -> {
                config.put("word_embed_proj_dim", width / 2);
                config.put("do_layer_norm_before", draw.chance(0.5));
                config.put("enable_bias", draw.chance(0.5));
                config.put("layer_norm_elementwise_affine", draw.chance(0.5));
            }
            case "mixtral" -> config.put("num_experts_per_tok", 1);
            case "qwen3_moe" -> {
                config.put("norm_topk_prob", false);
                if (layers > 1) {
                    config.put(draw.of("decoder_sparse_step", "unused"), 2);
                    config.put("mlp_only_layers", List.of(layers - 1));
                }
            }
            case "modernbert" ->
                config.putAll(Map.of(
                        "norm_bias", draw.chance(0.5),
                        "attention_bias", draw.chance(0.5),
                        "mlp_bias", draw.chance(0.5),
                        "classifier_bias", draw.chance(0.5)));
            default -> {}
        }
    }

    private static void writeTokenizer(Path directory, String architecture) {
        try {
            if (ENCODERS.contains(architecture)) {
                Files.copy(WORD_PIECES, directory.resolve("tokenizer.json"));
                return;
            }
            Path embedded = EmbeddedModelFiles.unpack(directory.resolveSibling("embedded-" + directory.getFileName()));
            for (String name : List.of("tokenizer.json", "tokenizer_config.json")) {
                Files.copy(embedded.resolve(name), directory.resolve(name));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Writes the same model with every weight a little other.
     *
     * @param share of a weight that it moves by: with {@link #LAST_DIGIT} what comes out otherwise is rounding
     */
    static Path moved(Path model, Path target, double share) {
        Random random = new Random(7);
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile file = SafetensorsFile.open(model.resolve("model.safetensors"))) {
            List<Entry> entries = new ArrayList<>();
            for (String name : file.names()) {
                Tensor tensor = file.tensor(name);
                float[] values = tensor.toFloatArray();
                for (int i = 0; i < values.length; i++) {
                    values[i] *= (float) (1 + share * random.nextGaussian());
                }
                entries.add(new Entry(name, DType.FLOAT32, tensor.shape(), () -> Tensors.of(values, tensor.shape())));
            }
            CheckpointWriter.write(target, entries, Long.MAX_VALUE);
            for (String name : List.of("config.json", "tokenizer.json", "tokenizer_config.json")) {
                if (Files.exists(model.resolve(name))) {
                    Files.copy(model.resolve(name), target.resolve(name));
                }
            }
            return target;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
