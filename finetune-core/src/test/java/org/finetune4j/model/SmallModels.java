package org.finetune4j.model;

import java.util.List;
import java.util.Random;

/** Configurations of small random models of every architecture that decodes. */
final class SmallModels {

    static final List<String> ARCHITECTURES = List.of(
            "LlamaForCausalLM",
            "MistralForCausalLM",
            "SmolLM3ForCausalLM",
            "GraniteForCausalLM",
            "Olmo2ForCausalLM",
            "Olmo3ForCausalLM",
            "Qwen2ForCausalLM",
            "Qwen3ForCausalLM",
            "GemmaForCausalLM",
            "Gemma2ForCausalLM",
            "Gemma3ForCausalLM",
            "Phi3ForCausalLM",
            "PhiForCausalLM",
            "GlmForCausalLM",
            "Glm4ForCausalLM",
            "StableLmForCausalLM",
            "Ministral3ForCausalLM",
            "SeedOssForCausalLM",
            "Ernie4_5ForCausalLM",
            "HunYuanDenseV1ForCausalLM",
            "Exaone4ForCausalLM",
            "ArceeForCausalLM",
            "ApertusForCausalLM",
            "NemotronForCausalLM",
            "HeliumForCausalLM",
            "OlmoForCausalLM",
            "Starcoder2ForCausalLM",
            "CohereForCausalLM",
            "Cohere2ForCausalLM",
            "MixtralForCausalLM",
            "OlmoeForCausalLM",
            "Qwen2MoeForCausalLM",
            "Qwen3MoeForCausalLM",
            "GptOssForCausalLM",
            "Glm4MoeForCausalLM",
            "FalconForCausalLM",
            "GPTBigCodeForCausalLM",
            "GPTNeoXForCausalLM",
            "OPTForCausalLM",
            "GPT2LMHeadModel");

    static final int VOCABULARY = 41;

    private SmallModels() {}

    /** A configuration whose sizes and switches {@code random} chooses. */
    static ModelConfig config(String architecture, Random random) {
        int kvHeads = 1 + random.nextInt(2);
        int heads = kvHeads * (1 + random.nextInt(2));
        int headDim = 4 * (1 + random.nextInt(2));
        String json = """
                {"architectures": ["%s"], "vocab_size": %d, "hidden_size": %d, "n_embd": %d, "word_embed_proj_dim": %d,
                 "intermediate_size": 20, "ffn_dim": 20, "n_inner": 20, "moe_intermediate_size": 12,
                 "num_hidden_layers": %d, "n_layer": %d, "num_attention_heads": %d, "n_head": %d,
                 "num_key_value_heads": %d, "head_dim": %d, "max_position_embeddings": 64, "n_positions": 64,
                 "initializer_range": 0.3, "clip_qkv": 0.9, "residual_dropout": 0.0, "attention_dropout": 0.0, "init_std": 0.3, "pad_token_id": 0, %s
                 "tie_word_embeddings": %s, "attention_bias": false, "norm_topk_prob": %s, "use_parallel_residual": %s,
                 "do_layer_norm_before": %s, "num_local_experts": 4, "num_experts": 5, "num_experts_per_tok": 2,
                 "use_sliding_window": %s, "max_window_layers": 1, "sliding_window_pattern": 2,
                 "query_pre_attn_scalar": 6, "attn_logit_softcapping": %s, "final_logit_softcapping": 4.0,
                 "output_router_logits": %s, "router_aux_loss_coef": 0.5, "rotary_pct": 0.5, %s
                 "embedding_multiplier": 2.0, "residual_multiplier": 0.5, "attention_multiplier": 0.3,
                 "logits_scaling": 2.0, "logit_scale": 0.5, "no_rope_layer_interval": 2,
                 "shared_expert_intermediate_size": 10, "new_decoder_architecture": %s, "multi_query": %s,
                 "n_routed_experts": 6, "n_group": 3, "topk_group": 2, "first_k_dense_replace": %s, "use_qk_norm": %s,
                 "scale_attn_by_inverse_layer_idx": %s, "layer_norm_elementwise_affine": %s,
                 "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0, "dropout": 0.0}
                """;
        int hidden = heads * headDim;
        int layers = 1 + random.nextInt(3);
        boolean windowless = architecture.matches("(Llama|Olmoe).*") || random.nextInt(4) == 0;
        String window = "\"sliding_window\": " + (windowless ? "null," : (2 + random.nextInt(5)) + ",");
        if (architecture.matches("(Gemma[23]|Cohere2|GptOss).*") && windowless) {
            window = "\"sliding_window\": 32,";
        }
        return ModelConfig.parse(
                json.formatted(
                        architecture,
                        VOCABULARY,
                        hidden,
                        hidden,
                        random.nextBoolean() ? hidden : 6,
                        layers,
                        layers,
                        heads,
                        heads,
                        kvHeads,
                        headDim,
                        window,
                        random.nextBoolean() && !architecture.startsWith("PhiFor"),
                        random.nextBoolean(),
                        random.nextBoolean(),
                        random.nextBoolean(),
                        random.nextBoolean(),
                        random.nextBoolean() || architecture.startsWith("Gemma3") ? "null" : "3.0",
                        random.nextBoolean(),
                        rotation(architecture),
                        random.nextBoolean(),
                        random.nextBoolean(),
                        random.nextInt(2),
                        random.nextBoolean() && !architecture.startsWith("Cohere2"),
                        random.nextBoolean(),
                        random.nextBoolean()),
                "a random " + architecture);
    }

    /** OLMo 3 has bases by kind, Ministral 3 and Apertus settings of their own, StableLM's usual quarter of the smallest head is odd. */
    private static String rotation(String architecture) {
        if (architecture.startsWith("Olmo3")) {
            return "\"rope_parameters\": {\"full_attention\": {\"rope_theta\": 100.0}},";
        }
        if (architecture.startsWith("Ministral3")) {
            return "\"rope_parameters\": {\"rope_type\": \"yarn\", \"rope_theta\": 100.0, \"factor\": 4.0,"
                    + " \"original_max_position_embeddings\": 3, \"llama_4_scaling_beta\": 0.5},";
        }
        if (architecture.startsWith("Apertus")) {
            return "\"rope_parameters\": {\"rope_theta\": 100.0},";
        }
        return architecture.startsWith("StableLm")
                ? "\"rope_theta\": 100.0, \"partial_rotary_factor\": 0.5,"
                : "\"rope_theta\": 100.0,";
    }
}
