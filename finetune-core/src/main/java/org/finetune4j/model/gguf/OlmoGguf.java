package org.finetune4j.model.gguf;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelConfig;

/** OLMo 2 and 3, which have norms behind their blocks and none before. */
public final class OlmoGguf extends GgufDecoder {

    private static final String OLMO3 = "Olmo3ForCausalLM";
    private static final int PERIOD = 4;
    private static final double OLMO3_THETA = 500_000;

    /** Made by the service loader. */
    public OlmoGguf() {
        super(GgufNames.commonAnd(Map.of(
                "post_attention_layernorm", "post_attention_norm",
                "post_feedforward_layernorm", "post_ffw_norm")));
    }

    @Override
    public List<String> architectures() {
        return List.of("Olmo2ForCausalLM", OLMO3);
    }

    @Override
    public String name(ModelConfig config) {
        return "olmo2";
    }

    @Override
    Map<String, Number> defaults() {
        return Map.of("rms_norm_eps", 1e-5);
    }

    @Override
    Output output(ModelConfig config) {
        return Output.REQUIRED;
    }

    @Override
    void describeFamily(ModelConfig config, GgufMetadata metadata) {
        boolean third = config.architecture().equals(OLMO3);
        requireActivation(config, "hidden_act", "silu");
        requireOff(config, "attention_bias");
        requireDividedHeads(config);
        config.refuse(Set.of("clip_qkv"));
        describeSizes(config, metadata);
        GgufRotary rotary = GgufRotary.of(config, third ? OLMO3_THETA : 10_000);
        rotary.describe("olmo2.", metadata);
        if (third) {
            requireFullLayers(config, PERIOD);
            requireOneBase(config, rotary.theta());
            metadata.put("olmo2.attention.sliding_window", config.positive("sliding_window", 4096));
        }
    }

    /** llama.cpp leaves the scaling away in layers with windows, not the base. */
    private static void requireOneBase(ModelConfig config, double theta) {
        double local = config.node("rope_parameters")
                .path("sliding_attention")
                .path("rope_theta")
                .asDouble(OLMO3_THETA);
        if (local != theta) {
            throw new UserErrorException(config.origin() + ": 'rope_theta' is " + theta
                    + " in layers that see everything, " + local + " in others: llama.cpp has one for both");
        }
    }
}
