package org.finetune4j.model.gguf;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.ModelConfig;

/** StarCoder 2. */
public final class Starcoder2Gguf extends GgufDecoder {

    /** Made by the service loader. */
    public Starcoder2Gguf() {
        super(GgufNames.commonAnd(Map.of("mlp.c_fc", "ffn_up", "mlp.c_proj", "ffn_down")));
    }

    @Override
    public List<String> architectures() {
        return List.of("Starcoder2ForCausalLM");
    }

    @Override
    public String name(ModelConfig config) {
        return "starcoder2";
    }

    @Override
    Map<String, Number> defaults() {
        return Map.of("num_key_value_heads", 2, "max_position_embeddings", 4096);
    }

    @Override
    boolean isTiedByDefault() {
        return true;
    }

    @Override
    Epsilon epsilon() {
        return Epsilon.layerNorm("norm_epsilon");
    }

    @Override
    int contextLength(ModelConfig config) {
        return contextWithinWindow(config, super.contextLength(config));
    }

    @Override
    void describeFamily(ModelConfig config, GgufMetadata metadata) {
        requireActivation(config, "hidden_act", "gelu_pytorch_tanh");
        requireFlag(config, "use_bias", true, true);
        requireDividedHeads(config);
        describeSizes(config, metadata);
        GgufRotary.of(config, 10_000).describe("starcoder2.", metadata);
    }
}
