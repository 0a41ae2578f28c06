package org.finetune4j.model.gguf;

import java.util.HashMap;
import java.util.Map;
import org.finetune4j.model.ModelConfig;

/** Mixtures of experts in llama.cpp's terms: a router and three stacks of matrices in each layer. */
final class GgufExperts {

    private GgufExperts() {}

    /**
     * The names of a mixture's tensors.
     *
     * @param block the mixture's own name in a layer
     * @param gate the name of an expert's matrix that is activated
     * @param up the name of the one that is multiplied with it
     * @param down the name of the one that leads back
     */
    static Map<String, String> names(String block, String gate, String up, String down) {
        String experts = block + ".experts.";
        return Map.of(
                block + ".gate", "ffn_gate_inp",
                experts + gate, "ffn_gate_exps",
                experts + up, "ffn_up_exps",
                experts + down, "ffn_down_exps");
    }

    /** The names that most have, and others besides. */
    static Map<String, String> usualNamesAnd(Map<String, String> others) {
        Map<String, String> names = new HashMap<>(names("mlp", "gate_proj", "up_proj", "down_proj"));
        names.putAll(others);
        return names;
    }

    static void describe(ModelConfig config, String prefix, int experts, int perToken, GgufMetadata metadata) {
        if (perToken > experts) {
            throw config.invalid("num_experts_per_tok", "no more than the " + experts + " experts");
        }
        metadata.put(prefix + "expert_count", experts).put(prefix + "expert_used_count", perToken);
    }
}
