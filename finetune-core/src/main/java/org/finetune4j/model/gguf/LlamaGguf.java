package org.finetune4j.model.gguf;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.ModelConfig;

/** Llama and Mistral, which llama.cpp takes for the same. */
public final class LlamaGguf extends PairwiseGguf {

    /** Made by the service loader. */
    public LlamaGguf() {
        super(Map.of());
    }

    @Override
    public List<String> architectures() {
        return List.of("LlamaForCausalLM", "MistralForCausalLM");
    }

    @Override
    public String name(ModelConfig config) {
        return "llama";
    }

    @Override
    String[] rotaryFactors() {
        return new String[] {"llama3"};
    }

    @Override
    int contextLength(ModelConfig config) {
        return contextWithinWindow(config, super.contextLength(config));
    }
}
