package org.finetune4j.model.gguf;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.ModelConfig;

/** GLM and GLM-4, which rotate neighbours here as there; GLM-4 has norms behind its blocks too. */
public final class GlmGguf extends GgufDecoder {

    private static final String GLM4 = "Glm4ForCausalLM";

    /** Made by the service loader. */
    public GlmGguf() {
        super(GgufNames.commonAnd(Map.of(
                "mlp.gate_up_proj", "ffn_up",
                "post_self_attn_layernorm", "post_attention_norm",
                "post_mlp_layernorm", "post_ffw_norm")));
    }

    @Override
    public List<String> architectures() {
        return List.of("GlmForCausalLM", GLM4);
    }

    @Override
    public String name(ModelConfig config) {
        return config.architecture().equals(GLM4) ? "glm4" : "chatglm";
    }

    @Override
    Map<String, Number> defaults() {
        return Map.of(
                "num_key_value_heads", 2,
                "rms_norm_eps", 1.5625e-7,
                "head_dim", 128,
                "max_position_embeddings", 131_072);
    }

    @Override
    void describeFamily(ModelConfig config, GgufMetadata metadata) {
        String prefix = name(config) + ".";
        requireActivation(config, "hidden_act", "silu");
        requireDividedHeads(config);
        describeSizes(config, metadata);
        GgufRotary rotary = GgufRotary.of(config, 10_000);
        rotary.describe(prefix, metadata);
        metadata.put(prefix + "rope.dimension_count", rotary.rotated(headDim(config), "partial_rotary_factor", 0.5));
    }
}
