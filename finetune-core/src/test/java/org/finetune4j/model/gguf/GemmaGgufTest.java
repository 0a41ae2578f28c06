package org.finetune4j.model.gguf;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelConfig;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GemmaGgufTest {

    @ParameterizedTest
    @ValueSource(strings = {"attn_logit_softcapping", "final_logit_softcapping"})
    void aGemma2WithoutACapIsRefusedBecauseLlamaCppPutsItsOwnInItsPlace(String key) {
        ModelConfig config = ModelConfig.parse("""
                {"architectures": ["Gemma2ForCausalLM"], "vocab_size": 64, "hidden_size": 16, "intermediate_size": 32,
                 "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8,
                 "query_pre_attn_scalar": 8, "sliding_window": 16, "max_position_embeddings": 64, "rms_norm_eps": 1e-6,
                 "%s": null}""".formatted(key), "config.json");
        UserErrorException refused =
                assertThrows(UserErrorException.class, () -> new GemmaGguf().describe(config, new GgufMetadata()));
        assertTrue(String.valueOf(refused.getMessage()).contains("'" + key + "' is null"), refused.getMessage());
    }
}
