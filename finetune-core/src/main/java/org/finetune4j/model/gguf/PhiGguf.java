package org.finetune4j.model.gguf;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.ModelConfig;

/** Phi-1, Phi-1.5 and Phi-2. */
public final class PhiGguf extends GgufDecoder {

    /** Made by the service loader. */
    public PhiGguf() {
        super(GgufNames.commonAnd(Map.of(
                "model.final_layernorm", "output_norm",
                "self_attn.dense", "attn_output",
                "mlp.fc1", "ffn_up",
                "mlp.fc2", "ffn_down")));
    }

    @Override
    public List<String> architectures() {
        return List.of("PhiForCausalLM");
    }

    @Override
    public String name(ModelConfig config) {
        return "phi2";
    }

    @Override
    Output output(ModelConfig config) {
        return Output.REQUIRED;
    }

    @Override
    Epsilon epsilon() {
        return Epsilon.layerNorm("layer_norm_eps");
    }

    @Override
    void describeFamily(ModelConfig config, GgufMetadata metadata) {
        requireActivation(config, "hidden_act", "gelu_new");
        requireOff(config, "qk_layernorm", "tie_word_embeddings");
        requireDividedHeads(config);
        describeSizes(config, metadata);
        GgufRotary rotary = GgufRotary.of(config, 10_000);
        rotary.describe("phi2.", metadata);
        metadata.put("phi2.rope.dimension_count", rotary.rotated(headDim(config), "partial_rotary_factor", 0.5));
    }
}
