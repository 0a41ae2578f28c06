package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.Device;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What an architecture's configuration can ask for and is not implemented is refused by its key, never ignored. */
class ArchitectureRefusalsTest {

    private static final String COMMON = """
            "vocab_size": 11, "hidden_size": 8, "n_embd": 8, "intermediate_size": 8, "ffn_dim": 8,
            "num_hidden_layers": 2, "n_layer": 2, "num_attention_heads": 2, "n_head": 2""";

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            LlamaForCausalLM              | "sliding_window": 4                                       | sliding_window
            LlamaForCausalLM              | "head_dim": 5                                             | head_dim
            LlamaForCausalLM              | "rope_interleaved": true                                  | rope_interleaved
            LlamaForCausalLM              | "quantization_config": {"bits": 3}                        | quantization_config
            Qwen2ForCausalLM              | "layer_types": ["full_attention", "chunked_attention"]    | chunked_attention
            Qwen2ForCausalLM              | "layer_types": ["full_attention"]                         | layer_types
            Gemma3ForCausalLM             | "use_bidirectional_attention": true, "head_dim": 4        | use_bidirectional_attention
            Gemma3ForCausalLM             | "attn_logit_softcapping": 50.0, "head_dim": 4             | attn_logit_softcapping
            Gemma3ForCausalLM             | "head_dim": 4, "num_key_value_heads": 2, "rope_parameters": {"full_attention": {"partial_rotary_factor": 0.5}} | partial_rotary_factor
            MistralForCausalLM            | "partial_rotary_factor": 0.5                              | partial_rotary_factor
            Qwen2ForCausalLM              | "max_window_layers": -1                                   | max_window_layers
            Phi3ForCausalLM               | "attention_bias": true                                    | attention_bias
            Phi3ForCausalLM               | "embd_pdrop": 0.1                                         | embd_pdrop
            MixtralForCausalLM            | "router_jitter_noise": 0.1                                | router_jitter_noise
            MixtralForCausalLM            | "num_local_experts": 2, "num_experts_per_tok": 3          | num_experts_per_tok
            SmolLM3ForCausalLM            | "num_key_value_heads": 2, "no_rope_layers": [1]           | no_rope_layers
            SmolLM3ForCausalLM            | "num_key_value_heads": 2, "layer_types": ["full_attention", "sliding_attention"] | sliding_window
            GraniteForCausalLM            | "logits_scaling": 0                                       | logits_scaling
            Olmo3ForCausalLM              | "rope_theta": 10000.0                                     | rope_theta
            Olmo3ForCausalLM              | "rope_parameters": {"rope_theta": 10000.0}                | rope_parameters
            Qwen2MoeForCausalLM           | "num_key_value_heads": 2, "layer_types": ["full_attention", "sliding_attention"] | use_sliding_window
            Qwen2MoeForCausalLM           | "num_key_value_heads": 2, "num_experts": 2, "num_experts_per_tok": 3 | num_experts_per_tok
            GptOssForCausalLM             | "swiglu_limit": 5.0                                       | swiglu_limit
            GptOssForCausalLM             | "hidden_act": "gelu"                                      | hidden_act
            GptOssForCausalLM             | "sliding_window": null                                    | sliding_window
            GptOssForCausalLM             | "num_key_value_heads": 2, "num_local_experts": 2          | num_experts_per_tok
            OlmoeForCausalLM              | "clip_qkv": -8.0                                          | clip_qkv
            OlmoForCausalLM               | "clip_qkv": 0                                             | clip_qkv
            Ministral3ForCausalLM         | "num_key_value_heads": 2, "rope_parameters": {"rope_type": "yarn", "factor": 2.0} | llama_4_scaling_beta
            Ministral3ForCausalLM         | "num_key_value_heads": 2, "rope_parameters": {"llama_4_scaling_beta": 0.1, "alpha": 3.0} | alpha
            HunYuanDenseV1ForCausalLM     | "rope_parameters": {"rope_type": "dynamic", "factor": 1.0, "gamma": 3.0} | gamma
            Exaone4ForCausalLM            | "num_key_value_heads": 2, "sliding_window": null, "layer_types": ["full_attention", "sliding_attention"] | sliding_window
            Exaone4ForCausalLM            | "num_key_value_heads": 2, "sliding_window_pattern": "LLLG" | sliding_window_pattern
            ApertusForCausalLM            | "rope_theta": 10000.0                                     | rope_theta
            ApertusForCausalLM            | "hidden_act": "mish"                                      | mish
            ApertusForCausalLM            | "mlp_bias": true                                          | mlp_bias
            Glm4MoeForCausalLM            | "num_key_value_heads": 2, "n_routed_experts": 4, "n_group": 4, "num_experts_per_tok": 2 | n_group
            Glm4MoeForCausalLM            | "num_key_value_heads": 2, "n_routed_experts": 8, "n_group": 4, "num_experts_per_tok": 3 | topk_group
            GPTBigCodeForCausalLM         | "add_cross_attention": true                               | add_cross_attention
            FalconForCausalLM             | "alibi": true                                             | alibi
            FalconForCausalLM             | "hidden_dropout": 0.1                                     | hidden_dropout
            FalconForCausalLM             | "new_decoder_architecture": true, "parallel_attn": false  | parallel_attn
            FalconForCausalLM             | "new_decoder_architecture": true, "num_kv_heads": 3       | num_kv_heads
            NemotronForCausalLM           | "partial_rotary_factor": 0.3                              | partial_rotary_factor
            Cohere2ForCausalLM            | "use_qk_norm": true                                       | use_qk_norm
            Cohere2ForCausalLM            | "sliding_window": null                                    | sliding_window
            CohereForCausalLM             | "partial_rotary_factor": 0.5                              | partial_rotary_factor
            Glm4ForCausalLM               | "partial_rotary_factor": 1.5                              | partial_rotary_factor
            PhiForCausalLM                | "tie_word_embeddings": true                               | tie_word_embeddings
            StableLmForCausalLM           | "num_key_value_heads": 2, "partial_rotary_factor": 0.3    | partial_rotary_factor
            Starcoder2ForCausalLM         | "hidden_act": "mish"                                      | mish
            OPTForCausalLM                | "layerdrop": 0.1                                          | layerdrop
            GPTNeoXForCausalLM            | "hidden_act": "mish"                                      | mish
            GPTNeoXForCausalLM            | "rotary_pct": 0.3                                         | rotary_pct
            GPT2LMHeadModel               | "add_cross_attention": true                               | add_cross_attention
            BertForSequenceClassification | "is_decoder": true                                        | is_decoder
            BertForSequenceClassification | "position_embedding_type": "relative_key"                 | relative_key
            ModernBertForSequenceClassification | "classifier_pooling": "max"                         | classifier_pooling
            ModernBertForSequenceClassification | "sliding_window": 4                                 | sliding_window
            ModernBertForSequenceClassification | "local_attention": -1                               | local_attention
            ModernBertForSequenceClassification | "local_rope_theta": null                            | local_rope_theta
            ModernBertForSequenceClassification | "rope_parameters": {"rope_theta": 10000.0}          | rope_parameters
            ModernBertForSequenceClassification | "rope_parameters": {"sliding_attention": {"partial_rotary_factor": 0.5}} | partial_rotary_factor
            ModernBertForSequenceClassification | "layer_types": ["full_attention", "chunked_attention"] | chunked_attention
            ModernBertForSequenceClassification | "quantization_config": {"bits": 3}                  | quantization_config
            Gemma3ForConditionalGeneration | "text_config": {"hidden_size": 8}                        | reads more than text
            LlamaForTokenClassification   | "use_cache": true                                         | LlamaForTokenClassification
            """)
    void byName(String architecture, String asked, String expected) {
        ModelConfig config = ModelConfig.parse(
                "{\"architectures\": [\"" + architecture + "\"], " + COMMON + ", " + asked + "}", "config.json");
        UserErrorException error =
                assertThrows(UserErrorException.class, () -> CausalLM.initialize(config, null, Device.CPU, 1));
        assertTrue(error.getMessage().contains(expected), error.getMessage());
        assertTrue(
                error.getMessage().startsWith("config.json")
                        || error.getMessage().startsWith("activation"),
                error::getMessage);
    }
}
