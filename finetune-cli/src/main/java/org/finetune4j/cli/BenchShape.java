package org.finetune4j.cli;

import java.util.Locale;
import org.finetune4j.model.ModelConfig;

/** Sizes of known models, for measuring. */
enum BenchShape {
    /** Karpathy's stories15M. */
    tiny15(32000, 288, 768, 6, 6, 6, true),
    /** SmolLM2-135M. */
    smol135(49152, 576, 1536, 30, 9, 3, true),
    /** Qwen2.5-0.5B. */
    qwen05(151936, 896, 4864, 24, 14, 2, true),
    /** TinyLlama-1.1B. */
    tinyllama1b(32000, 2048, 5632, 22, 32, 4, false),
    /** Llama-2-7B. */
    llama7b(32000, 4096, 11008, 32, 32, 32, false);

    private final String json;

    BenchShape(int vocabulary, int hidden, int intermediate, int layers, int heads, int kvHeads, boolean tied) {
        this.json = String.format(Locale.ROOT, """
                {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": %d, "hidden_size": %d,
                 "intermediate_size": %d, "num_hidden_layers": %d, "num_attention_heads": %d,
                 "num_key_value_heads": %d, "max_position_embeddings": 2048, "tie_word_embeddings": %b}
                """, vocabulary, hidden, intermediate, layers, heads, kvHeads, tied);
    }

    ModelConfig config() {
        return ModelConfig.parse(json, "shape " + name());
    }

    /** The same with another number of layers. */
    ModelConfig config(int layers) {
        return ModelConfig.parse(
                json.replaceFirst("\"num_hidden_layers\": \\d+", "\"num_hidden_layers\": " + layers),
                "shape " + name());
    }
}
