package org.finetune4j.model.gguf;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.ModelConfig;

/** Granite: Llama with four multipliers. */
public final class GraniteGguf extends PairwiseGguf {

    /** The multipliers, and llama.cpp's names for them. */
    private static final Map<String, String> SCALES = Map.of(
            "attention_multiplier", "attention.scale",
            "embedding_multiplier", "embedding_scale",
            "residual_multiplier", "residual_scale",
            "logits_scaling", "logit_scale");

    /** Made by the service loader. */
    public GraniteGguf() {
        super(Map.of());
    }

    @Override
    public List<String> architectures() {
        return List.of("GraniteForCausalLM");
    }

    @Override
    public String name(ModelConfig config) {
        return "granite";
    }

    @Override
    String[] rotaryFactors() {
        return new String[] {"llama3"};
    }

    @Override
    void describeFamily(ModelConfig config, GgufMetadata metadata) {
        super.describeFamily(config, metadata);
        SCALES.forEach((key, name) -> {
            double scale = config.number(key, 1);
            if (scale == 0) {
                throw config.invalid(key, "a number other than 0, which llama.cpp takes for none");
            }
            metadata.put("granite." + name, scale);
        });
    }
}
