package org.finetune4j.model.gguf;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.tensor.Tensor;

/** Relatives of Llama whose heads llama.cpp rotates by neighbours, and transformers by halves. */
abstract class PairwiseGguf extends GgufDecoder {

    /** The base of the rotation where neither config.json nor {@link #defaults} says. */
    static final double THETA = 10_000;

    PairwiseGguf(Map<String, String> others) {
        super(GgufNames.commonAnd(others));
    }

    /** The scalings of the rotation that the architecture has tensors for. */
    String[] rotaryFactors() {
        return new String[0];
    }

    @Override
    void describeFamily(ModelConfig config, GgufMetadata metadata) {
        String prefix = name(config) + ".";
        requireActivation(config, "hidden_act", "silu");
        describeSizes(config, metadata);
        GgufRotary.of(config, THETA).describe(prefix, metadata, rotaryFactors());
        describeHeadSize(config, prefix, headDim(config), metadata);
        metadata.put(prefix + "vocab_size", config.positive("vocab_size"))
                .put(prefix + "rope.dimension_count", headDim(config));
    }

    @Override
    List<GgufTensor> extraTensors(ModelConfig config) {
        return GgufRotary.of(config, THETA).frequencyFactors(headDim(config));
    }

    @Override
    Tensor convert(String name, Tensor tensor, ModelConfig config) {
        int heads = config.positive("num_attention_heads");
        if (name.contains(".q_proj.")) {
            return interleaved(tensor, heads);
        }
        return name.contains(".k_proj.") ? interleaved(tensor, config.positive("num_key_value_heads", heads)) : tensor;
    }

    /** The rows of each head change places: those of the second half go between those of the first. */
    static Tensor interleaved(Tensor tensor, int heads) {
        long[] shape = tensor.shape();
        return tensor.contiguous()
                .reshape(heads, 2, shape[0] / heads / 2, -1) // [heads, 2, headDim / 2, in]
                .transpose(1, 2) // [heads, headDim / 2, 2, in]
                .reshape(shape);
    }
}
