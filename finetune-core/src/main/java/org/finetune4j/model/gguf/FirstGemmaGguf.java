package org.finetune4j.model.gguf;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.ModelConfig;

/** The first Gemma. */
public final class FirstGemmaGguf extends OffsetNormGguf {

    private static final String GELU = "gelu_pytorch_tanh";

    /** Made by the service loader. */
    public FirstGemmaGguf() {
        super(Map.of());
    }

    @Override
    public List<String> architectures() {
        return List.of("GemmaForCausalLM");
    }

    @Override
    public String name(ModelConfig config) {
        return "gemma";
    }

    @Override
    Map<String, Number> defaults() {
        return Map.of("head_dim", 256, "max_position_embeddings", 8192);
    }

    @Override
    void describeFamily(ModelConfig config, GgufMetadata metadata) {
        String activation = config.text("hidden_act", GELU);
        if (!activation.equals("gelu")) { // what configurations of the first release say for it
            requireActivation(config, "hidden_act", GELU);
        }
        requireActivation(config, "hidden_activation", GELU);
        requireOff(config, "attention_bias");
        describeSizes(config, metadata);
        describeHeadSize(config, "gemma.", headDim(config), metadata);
        GgufRotary.of(config, 10_000).describe("gemma.", metadata);
    }
}
