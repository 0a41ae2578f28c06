package org.finetune4j.model.gguf;

import java.util.Map;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;

/** Gemmas: their norms multiply by 1 + weight, llama.cpp's by the weight, and the output layer is the embedding. */
abstract class OffsetNormGguf extends GgufDecoder {

    OffsetNormGguf(Map<String, String> others) {
        super(GgufNames.commonAnd(others));
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
    Tensor convert(String name, Tensor tensor, ModelConfig config) {
        return name.endsWith("norm.weight") ? tensor.to(DType.FLOAT32).add(1) : tensor;
    }
}
