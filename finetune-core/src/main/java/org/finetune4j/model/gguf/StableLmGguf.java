package org.finetune4j.model.gguf;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.ModelConfig;

/** StableLM. Where its blocks stand side by side the second has no norm of its own, by which llama.cpp knows it. */
public final class StableLmGguf extends GgufDecoder {

    /** Made by the service loader. */
    public StableLmGguf() {
        super(GgufNames.commonAnd(Map.of(
                "self_attn.q_layernorm.norms", "attn_q_norm",
                "self_attn.k_layernorm.norms", "attn_k_norm")));
    }

    @Override
    public List<String> architectures() {
        return List.of("StableLmForCausalLM");
    }

    @Override
    public String name(ModelConfig config) {
        return "stablelm";
    }

    @Override
    Map<String, Number> defaults() {
        return Map.of("num_key_value_heads", 32, "max_position_embeddings", 4096);
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
        requireActivation(config, "hidden_act", "silu");
        requireDividedHeads(config);
        describeSizes(config, metadata);
        GgufRotary rotary = GgufRotary.of(config, 10_000);
        rotary.describe("stablelm.", metadata);
        metadata.put("stablelm.rope.dimension_count", rotary.rotated(headDim(config), "partial_rotary_factor", 0.25))
                .put("stablelm.use_parallel_residual", config.flag("use_parallel_residual", false));
    }
}
