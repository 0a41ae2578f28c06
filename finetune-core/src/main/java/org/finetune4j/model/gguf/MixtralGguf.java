package org.finetune4j.model.gguf;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.ModelConfig;

/** Mixtral: llama.cpp's Llama with experts. */
public final class MixtralGguf extends PairwiseGguf {

    /** Made by the service loader. */
    public MixtralGguf() {
        super(GgufExperts.names("block_sparse_moe", "w1", "w3", "w2"));
    }

    @Override
    public List<String> architectures() {
        return List.of("MixtralForCausalLM");
    }

    @Override
    public String name(ModelConfig config) {
        return "llama";
    }

    @Override
    Map<String, Number> defaults() {
        return Map.of(
                "rms_norm_eps", 1e-5, "rope_theta", 1e6, "max_position_embeddings", 131_072, "num_key_value_heads", 8);
    }

    @Override
    String[] rotaryFactors() {
        return new String[] {"llama3"};
    }

    @Override
    int contextLength(ModelConfig config) {
        return contextWithinWindow(config, super.contextLength(config));
    }

    @Override
    void describeFamily(ModelConfig config, GgufMetadata metadata) {
        super.describeFamily(config, metadata);
        GgufExperts.describe(
                config,
                "llama.",
                config.positive("num_local_experts", 8),
                config.positive("num_experts_per_tok", 2),
                metadata);
    }
}
