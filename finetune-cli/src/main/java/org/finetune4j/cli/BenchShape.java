package org.finetune4j.cli;

import org.finetune4j.model.ModelConfig;

/** Sizes of known models, for measuring. */
enum BenchShape {
    /** Karpathy's stories15M. */
    tiny15(32000, 288, 768, 6, 6, 6),
    /** SmolLM2-135M. */
    smol135(49152, 576, 1536, 30, 9, 3),
    /** Qwen2.5-0.5B. */
    qwen05(151936, 896, 4864, 24, 14, 2);

    private final String json;

    BenchShape(int vocabulary, int hidden, int intermediate, int layers, int heads, int kvHeads) {
        this.json = """
                {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": %d, "hidden_size": %d,
                 "intermediate_size": %d, "num_hidden_layers": %d, "num_attention_heads": %d,
                 "num_key_value_heads": %d, "max_position_embeddings": 2048, "tie_word_embeddings": true}
                """.formatted(vocabulary, hidden, intermediate, layers, heads, kvHeads);
    }

    ModelConfig config() {
        return ModelConfig.parse(json, "shape " + name());
    }
}
