package org.finetune4j.model.gguf;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.tensor.Tensor;

/** Llama and Mistral, which llama.cpp takes for the same. */
public final class LlamaGguf extends GgufDecoder {

    /** Made by the service loader. */
    public LlamaGguf() {
        super(GgufNames.commonAnd(Map.of()));
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
    public void describe(ModelConfig config, GgufMetadata metadata) {
        requireActivation(config, "hidden_act", "silu");
        describeSizes(config, metadata);
        GgufRotary.of(config, 10_000).describe("llama.", metadata);
        if (config.has("head_dim")) {
            describeHeadSize(config, "llama.", headDim(config), metadata);
        }
        metadata.put("llama.vocab_size", config.positive("vocab_size"))
                .put("llama.rope.dimension_count", headDim(config));
    }

    /** llama.cpp gives this architecture no window: it is right as far as the window reaches. */
    @Override
    int contextLength(ModelConfig config) {
        int trained = super.contextLength(config);
        return Math.min(trained, config.positive("sliding_window", trained));
    }

    @Override
    List<GgufTensor> extraTensors(ModelConfig config) {
        return GgufRotary.of(config, 10_000).frequencyFactors(headDim(config));
    }

    @Override
    Tensor convert(String name, Tensor tensor, ModelConfig config) {
        int heads = config.positive("num_attention_heads");
        if (name.contains(".q_proj.")) {
            return interleaved(tensor, heads);
        }
        return name.contains(".k_proj.") ? interleaved(tensor, config.positive("num_key_value_heads", heads)) : tensor;
    }

    /** llama.cpp rotates neighbours, transformers the two halves of a head: the rows of each head change places. */
    static Tensor interleaved(Tensor tensor, int heads) {
        long[] shape = tensor.shape();
        return tensor.contiguous()
                .reshape(heads, 2, shape[0] / heads / 2, -1) // [heads, 2, headDim / 2, in]
                .transpose(1, 2) // [heads, headDim / 2, 2, in]
                .reshape(shape);
    }
}
