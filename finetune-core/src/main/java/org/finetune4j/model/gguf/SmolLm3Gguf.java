package org.finetune4j.model.gguf;

import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelConfig;

/** SmolLM3, of whose layers each fourth rotates nothing. */
public final class SmolLm3Gguf extends PairwiseGguf {

    private static final int PERIOD = 4;

    /** Made by the service loader. */
    public SmolLm3Gguf() {
        super(Map.of());
    }

    @Override
    public List<String> architectures() {
        return List.of("SmolLM3ForCausalLM");
    }

    @Override
    public String name(ModelConfig config) {
        return "smollm3";
    }

    @Override
    Map<String, Number> defaults() {
        return Map.of("num_key_value_heads", 4, "max_position_embeddings", 32_768, "rope_theta", 2_000_000);
    }

    @Override
    boolean isTiedByDefault() {
        return true;
    }

    @Override
    void describeFamily(ModelConfig config, GgufMetadata metadata) {
        requireOff(config, "attention_bias", "mlp_bias");
        requireNoWindow(config);
        requireDividedHeads(config);
        requireRotation(config);
        super.describeFamily(config, metadata);
    }

    private static void requireRotation(ModelConfig config) {
        var listed = config.node("no_rope_layers");
        boolean right = listed.isArray() || config.positive("no_rope_layer_interval", PERIOD) == PERIOD;
        for (int layer = 0; layer < listed.size(); layer++) {
            right &= listed.get(layer).asInt() == ((layer + 1) % PERIOD == 0 ? 0 : 1);
        }
        if (!right) {
            throw new UserErrorException(config.origin() + ": llama.cpp rotates in every layer but each " + PERIOD
                    + "th, which is not what no_rope_layers or no_rope_layer_interval ask for");
        }
    }
}
