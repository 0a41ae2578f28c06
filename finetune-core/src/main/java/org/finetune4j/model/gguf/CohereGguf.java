package org.finetune4j.model.gguf;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.ModelConfig;

/** Cohere 1 and 2, which rotate neighbours here as there; Cohere 2 rotates only in the layers that have a window. */
public final class CohereGguf extends GgufDecoder {

    private static final String COHERE2 = "Cohere2ForCausalLM";
    private static final int PERIOD = 4;

    /** From so many layers on llama.cpp normalises queries and keys in Cohere 1. */
    private static final int NORMED_LAYERS = 64;

    /** Made by the service loader. */
    public CohereGguf() {
        super(GgufNames.commonAnd(Map.of()));
    }

    @Override
    public List<String> architectures() {
        return List.of("CohereForCausalLM", COHERE2);
    }

    private static boolean isCohere2(ModelConfig config) {
        return config.architecture().equals(COHERE2);
    }

    @Override
    public String name(ModelConfig config) {
        return isCohere2(config) ? "cohere2" : "command-r";
    }

    @Override
    Map<String, Number> defaults() {
        return Map.of("max_position_embeddings", 8192);
    }

    @Override
    boolean isTiedByDefault() {
        return true;
    }

    @Override
    Output output(ModelConfig config) {
        return Output.TIED;
    }

    @Override
    Epsilon epsilon() {
        return Epsilon.layerNorm("layer_norm_eps");
    }

    @Override
    void describeFamily(ModelConfig config, GgufMetadata metadata) {
        String prefix = name(config) + ".";
        requireActivation(config, "hidden_act", "silu");
        requireOff(config, "attention_bias");
        requireDividedHeads(config);
        describeSizes(config, metadata);
        GgufRotary.of(config, isCohere2(config) ? 10_000 : 500_000).describe(prefix, metadata);
        double scale = config.number("logit_scale", 0.0625);
        if (scale == 0) {
            throw config.invalid("logit_scale", "a number other than 0, which llama.cpp takes for none");
        }
        metadata.put(prefix + "logit_scale", scale);
        if (isCohere2(config)) {
            requireOff(config, "use_qk_norm");
            requireFullLayers(config, PERIOD);
            metadata.put(prefix + "attention.sliding_window", config.positive("sliding_window", 4096));
        } else {
            boolean normed = config.positive("num_hidden_layers") >= NORMED_LAYERS;
            requireFlag(config, "use_qk_norm", normed, false);
        }
    }
}
