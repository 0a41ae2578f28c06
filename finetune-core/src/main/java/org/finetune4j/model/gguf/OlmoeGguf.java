package org.finetune4j.model.gguf;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.model.ModelConfig;

/** OLMoE. */
public final class OlmoeGguf extends GgufDecoder {

    /** Made by the service loader. */
    public OlmoeGguf() {
        super(GgufNames.commonAnd(GgufExperts.usualNamesAnd(Map.of())));
    }

    @Override
    public List<String> architectures() {
        return List.of("OlmoeForCausalLM");
    }

    @Override
    public String name(ModelConfig config) {
        return "olmoe";
    }

    @Override
    Map<String, Number> defaults() {
        return Map.of("rms_norm_eps", 1e-5, "max_position_embeddings", 4096);
    }

    @Override
    Output output(ModelConfig config) {
        return Output.REQUIRED;
    }

    @Override
    void describeFamily(ModelConfig config, GgufMetadata metadata) {
        requireActivation(config, "hidden_act", "silu");
        requireOff(config, "attention_bias", "norm_topk_prob");
        config.refuse(Set.of("clip_qkv"));
        requireDividedHeads(config);
        int heads = config.positive("num_attention_heads");
        if (config.positive("num_key_value_heads", heads) != heads) {
            throw config.invalid(
                    "num_key_value_heads", heads + " as num_attention_heads: llama.cpp has no shared heads here");
        }
        describeSizes(config, metadata);
        GgufRotary.of(config, 10_000).describe("olmoe.", metadata);
        int experts = config.positive("num_experts", config.positive("num_local_experts", 64));
        GgufExperts.describe(config, "olmoe.", experts, config.positive("num_experts_per_tok", 8), metadata);
    }
}
