package org.finetune4j.model.gguf;

import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.tensor.Tensor;

/** Mixtures of Qwen 2 and 3. */
public final class QwenMoeGguf extends GgufDecoder {

    private static final String QWEN3 = "Qwen3MoeForCausalLM";

    /** The gate of the expert that all tokens go to: one row. */
    private static final String SHARED_GATE = "mlp.shared_expert_gate";

    /** Made by the service loader. */
    public QwenMoeGguf() {
        super(GgufNames.commonAnd(GgufExperts.usualNamesAnd(Map.of(
                SHARED_GATE,
                "ffn_gate_inp_shexp",
                "mlp.shared_expert.gate_proj",
                "ffn_gate_shexp",
                "mlp.shared_expert.up_proj",
                "ffn_up_shexp",
                "mlp.shared_expert.down_proj",
                "ffn_down_shexp"))));
    }

    @Override
    public List<String> architectures() {
        return List.of("Qwen2MoeForCausalLM", QWEN3);
    }

    private static boolean isQwen3(ModelConfig config) {
        return config.architecture().equals(QWEN3);
    }

    @Override
    public String name(ModelConfig config) {
        return isQwen3(config) ? "qwen3moe" : "qwen2moe";
    }

    @Override
    Output output(ModelConfig config) {
        return Output.REQUIRED;
    }

    @Override
    void describeFamily(ModelConfig config, GgufMetadata metadata) {
        requireActivation(config, "hidden_act", "silu");
        requireNoWindow(config);
        requireMixturesOnly(config);
        requireFlag(config, "norm_topk_prob", isQwen3(config), false);
        String prefix = name(config) + ".";
        describeSizes(config, metadata);
        GgufRotary.of(config, 10_000).describe(prefix, metadata);
        GgufExperts.describe(config, prefix, experts(config), perToken(config), metadata);
        metadata.put(
                prefix + "expert_feed_forward_length",
                config.positive("moe_intermediate_size", isQwen3(config) ? 768 : 1408));
        if (isQwen3(config)) {
            requireOff(config, "attention_bias");
            describeHeadSize(config, prefix, headDim(config), metadata);
        } else {
            requireDividedHeads(config);
            metadata.put(
                    prefix + "expert_shared_feed_forward_length",
                    config.positive("shared_expert_intermediate_size", 5632));
        }
    }

    private static int experts(ModelConfig config) {
        return config.positive("num_experts", config.positive("num_local_experts", isQwen3(config) ? 128 : 60));
    }

    private static int perToken(ModelConfig config) {
        return config.positive("num_experts_per_tok", isQwen3(config) ? 8 : 4);
    }

    private static void requireMixturesOnly(ModelConfig config) {
        if (config.positive("decoder_sparse_step", 1) != 1
                || config.node("mlp_only_layers").size() > 0) {
            throw new UserErrorException(
                    config.origin()
                            + ": 'decoder_sparse_step', 'mlp_only_layers': llama.cpp has experts in every layer of this architecture");
        }
    }

    @Override
    Tensor convert(String name, Tensor tensor, ModelConfig config) {
        return name.contains(SHARED_GATE) ? tensor.reshape(-1) : tensor; // [hidden]
    }

    @Override
    long[] shape(String name, long[] shape) {
        return name.contains(SHARED_GATE) ? new long[] {shape[0] * shape[1]} : shape;
    }
}
