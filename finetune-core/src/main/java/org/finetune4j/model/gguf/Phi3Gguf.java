package org.finetune4j.model.gguf;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.ModelConfig;

/** Phi-3 and Phi-4, whose projections are fused there as here. */
public final class Phi3Gguf extends GgufDecoder {

    /** Made by the service loader. */
    public Phi3Gguf() {
        super(GgufNames.commonAnd(Map.of("self_attn.qkv_proj", "attn_qkv", "mlp.gate_up_proj", "ffn_up")));
    }

    @Override
    public List<String> architectures() {
        return List.of("Phi3ForCausalLM");
    }

    @Override
    public String name(ModelConfig config) {
        return "phi3";
    }

    @Override
    Map<String, Number> defaults() {
        return Map.of("rms_norm_eps", 1e-5, "max_position_embeddings", 4096, "original_max_position_embeddings", 4096);
    }

    @Override
    int contextLength(ModelConfig config) {
        return contextWithinWindow(config, super.contextLength(config));
    }

    private static int rotated(ModelConfig config) {
        return GgufRotary.of(config, 10_000).rotated(headDim(config), "partial_rotary_factor", 1);
    }

    @Override
    void describeFamily(ModelConfig config, GgufMetadata metadata) {
        requireActivation(config, "hidden_act", "silu");
        requireOff(config, "attention_bias", "mlp_bias", "lm_head_bias");
        requireDividedHeads(config);
        describeSizes(config, metadata);
        GgufRotary.of(config, 10_000).describe("phi3.", metadata, "longrope");
        metadata.put("phi3.rope.dimension_count", rotated(config));
        metadata.put(
                "phi3.attention.sliding_window", 0); // older readers take a missing one for that of the first model
    }

    @Override
    List<GgufTensor> extraTensors(ModelConfig config) {
        return GgufRotary.of(config, 10_000).frequencyFactors(rotated(config));
    }
}
