package org.finetune4j.model.gguf;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelConfig;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What becomes of the settings of config.json, and which are refused because llama.cpp calculates in another way. */
class GgufSettingsTest {

    private static Map<String, GgufValue> describe(String architecture, String settings) {
        ModelConfig config = NumberedModels.config(architecture, "{" + settings + "}");
        GgufMetadata metadata = new GgufMetadata();
        GgufArchitecture.of(config).describe(config, metadata);
        return metadata.values();
    }

    @ParameterizedTest(name = "{0} {1}: {2} is {3}")
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            GraniteForCausalLM    | "attention_multiplier": 0.25           | granite.attention.scale        | 0.25
            GraniteForCausalLM    | "embedding_multiplier": 6              | granite.embedding_scale        | 6
            GraniteForCausalLM    | "residual_multiplier": 0.5             | granite.residual_scale         | 0.5
            GraniteForCausalLM    | "logits_scaling": 4                    | granite.logit_scale            | 4
            CohereForCausalLM     | "logit_scale": 0.5                     | command-r.logit_scale          | 0.5
            Cohere2ForCausalLM    | "layer_norm_eps": 0.5                  | cohere2.attention.layer_norm_epsilon | 0.5
            Starcoder2ForCausalLM | "norm_epsilon": 0.5                    | starcoder2.attention.layer_norm_epsilon | 0.5
            Olmo2ForCausalLM      | "rms_norm_eps": 0.5                    | olmo2.attention.layer_norm_rms_epsilon | 0.5
            GPTNeoXForCausalLM    | "rotary_pct": 0.5, "rotary_emb_base": 7 | gptneox.rope.freq_base        | 7
            MixtralForCausalLM    | "use_cache": true                      | llama.rope.freq_base           | 1000000
            SmolLM3ForCausalLM    | "use_cache": true                      | smollm3.rope.freq_base         | 2000000
            """)
    void numbersHaveLlamaCppsKeys(String architecture, String settings, String key, float expected) {
        assertEquals(
                new GgufValue.Real(expected), describe(architecture, settings).get(key));
    }

    @ParameterizedTest(name = "{0} {1}: {2} is {3}")
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            Phi3ForCausalLM       | "partial_rotary_factor": 0.5           | phi3.rope.dimension_count      | 2
            Phi3ForCausalLM       | "sliding_window": 9                    | phi3.context_length            | 9
            PhiForCausalLM        | "use_cache": true                      | phi2.rope.dimension_count      | 2
            GPTNeoXForCausalLM    | "rotary_pct": 0.5                      | gptneox.rope.dimension_count   | 2
            GlmForCausalLM        | "head_dim": 4                          | chatglm.rope.dimension_count   | 2
            StableLmForCausalLM   | "rope_parameters": {"partial_rotary_factor": 1.0} | stablelm.rope.dimension_count | 4
            MixtralForCausalLM    | "sliding_window": 9                    | llama.context_length           | 9
            Starcoder2ForCausalLM | "sliding_window": 9                    | starcoder2.context_length      | 9
            Cohere2ForCausalLM    | "sliding_window": 9                    | cohere2.attention.sliding_window | 9
            Olmo3ForCausalLM      | "sliding_window": 9                    | olmo2.attention.sliding_window | 9
            """)
    void countsHaveLlamaCppsKeys(String architecture, String settings, String key, int expected) {
        assertEquals(
                new GgufValue.Unsigned(expected),
                describe(architecture, settings).get(key));
    }

    /** llama.cpp multiplies by 0.1 ln(factor) + 1 itself. */
    @Test
    void anAttentionFactorOfYarnIsDividedByLlamaCppsOwn() {
        String yarn = "\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 8.0,"
                + " \"original_max_position_embeddings\": 16%s}";
        GgufValue.Real factor =
                (GgufValue.Real) describe("LlamaForCausalLM", yarn.formatted(", \"attention_factor\": 1.5"))
                        .get("llama.rope.scaling.attn_factor");
        assertEquals(1.5 / (0.1 * Math.log(8) + 1), factor.value(), 1e-6);
        assertTrue(!describe("LlamaForCausalLM", yarn.formatted("")).containsKey("llama.rope.scaling.attn_factor"));
    }

    @ParameterizedTest(name = "{0} {1}")
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            Phi3ForCausalLM       | "hidden_act": "gelu"                   | 'hidden_act' is 'gelu'
            Phi3ForCausalLM       | "head_dim": 6                          | 'head_dim' is 6
            Phi3ForCausalLM       | "rope_scaling": {"type": "longrope", "short_factor": [1], "long_factor": [1, 2, 3]} | 'long_factor'
            SmolLM3ForCausalLM    | "no_rope_layers": [1, 0]               | no_rope_layers
            SmolLM3ForCausalLM    | "no_rope_layer_interval": 2            | no_rope_layer_interval
            SmolLM3ForCausalLM    | "attention_bias": true                 | 'attention_bias' is true
            SmolLM3ForCausalLM    | "use_sliding_window": true             | 'use_sliding_window'
            GraniteForCausalLM    | "residual_multiplier": 0               | 'residual_multiplier' is 0
            Qwen3MoeForCausalLM   | "norm_topk_prob": false                | 'norm_topk_prob' is false
            Qwen2MoeForCausalLM   | "norm_topk_prob": true                 | 'norm_topk_prob' is true
            Qwen2MoeForCausalLM   | "decoder_sparse_step": 2               | 'decoder_sparse_step'
            Qwen3MoeForCausalLM   | "norm_topk_prob": true, "mlp_only_layers": [1] | 'mlp_only_layers'
            Qwen3ForCausalLM      | "attention_bias": true                 | 'attention_bias' is true
            Qwen2ForCausalLM      | "rope_scaling": {"rope_type": "llama3"} | rope_type 'llama3'
            OlmoeForCausalLM      | "num_key_value_heads": 2               | 'num_key_value_heads' is 2
            OlmoeForCausalLM      | "num_key_value_heads": 4, "clip_qkv": 8.0 | 'clip_qkv'
            MixtralForCausalLM    | "num_local_experts": 1                 | 'num_experts_per_tok'
            Olmo2ForCausalLM      | "attention_bias": true                 | 'attention_bias' is true
            Olmo3ForCausalLM      | "layer_types": ["full_attention", "sliding_attention"] | layer_types
            Olmo3ForCausalLM      | "rope_theta": 10000.0                  | 'rope_theta' is 10000.0
            Starcoder2ForCausalLM | "use_bias": false                      | 'use_bias' is false
            Starcoder2ForCausalLM | "hidden_act": "gelu"                   | 'hidden_act' is 'gelu'
            CohereForCausalLM     | "use_qk_norm": true                    | 'use_qk_norm' is true
            CohereForCausalLM     | "tie_word_embeddings": false           | 'tie_word_embeddings' is false
            Cohere2ForCausalLM    | "sliding_window_pattern": 2            | sliding_window_pattern
            Cohere2ForCausalLM    | "logit_scale": 0                       | 'logit_scale' is 0
            GlmForCausalLM        | "head_dim": 8                          | 'head_dim' is 8
            GPTNeoXForCausalLM    | "hidden_act": "relu"                   | 'hidden_act' is 'relu'
            GPTNeoXForCausalLM    | "attention_bias": false                | 'attention_bias' is false
            GPTNeoXForCausalLM    | "rotary_pct": 0.25                     | 'rotary_pct' is 0.25
            PhiForCausalLM        | "qk_layernorm": true                   | 'qk_layernorm' is true
            PhiForCausalLM        | "tie_word_embeddings": true            | 'tie_word_embeddings' is true
            StableLmForCausalLM   | "hidden_act": "gelu"                   | 'hidden_act' is 'gelu'
            GemmaForCausalLM      | "tie_word_embeddings": false           | 'tie_word_embeddings' is false
            GemmaForCausalLM      | "hidden_act": "relu"                   | 'hidden_act' is 'relu'
            """)
    void whatLlamaCppCalculatesInAnotherWayIsRefusedByName(String architecture, String settings, String part) {
        String message = String.valueOf(assertThrows(UserErrorException.class, () -> {
                    ModelConfig config = NumberedModels.config(architecture, "{" + settings + "}");
                    GgufArchitecture known = GgufArchitecture.of(config);
                    known.describe(config, new GgufMetadata());
                    if (known instanceof GgufDecoder decoder) {
                        decoder.extraTensors(config);
                    }
                })
                .getMessage());
        assertTrue(message.contains(part) && message.lines().count() == 1, message);
    }
}
