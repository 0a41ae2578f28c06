package org.finetune4j.model.gguf;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.ModelConfig;

/** Qwen 2, 2.5 and 3. */
public final class QwenGguf extends GgufDecoder {

    private static final String QWEN3 = "Qwen3ForCausalLM";

    /** Made by the service loader. */
    public QwenGguf() {
        super(GgufNames.commonAnd(Map.of()));
    }

    @Override
    public List<String> architectures() {
        return List.of("Qwen2ForCausalLM", QWEN3);
    }

    @Override
    public String name(ModelConfig config) {
        return config.architecture().equals(QWEN3) ? "qwen3" : "qwen2";
    }

    @Override
    void describeFamily(ModelConfig config, GgufMetadata metadata) {
        requireActivation(config, "hidden_act", "silu");
        requireOff(config, "attention_bias");
        requireNoWindow(config);
        String prefix = name(config) + ".";
        describeSizes(config, metadata);
        GgufRotary.of(config, 10_000).describe(prefix, metadata);
        if (config.has("head_dim")) {
            describeHeadSize(config, prefix, headDim(config), metadata);
        } else if (config.architecture().equals(QWEN3)) {
            describeHeadSize(config, prefix, 128, metadata); // transformers' default
        }
    }
}
