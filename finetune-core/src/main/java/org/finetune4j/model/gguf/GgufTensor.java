package org.finetune4j.model.gguf;

import java.util.Arrays;
import java.util.function.Supplier;
import org.finetune4j.tensor.Tensor;

/**
 * A tensor to write.
 *
 * @param shape in the order of PyTorch; the file has it reversed
 * @param tensor makes it when its turn comes, in any floating type, in the caller's scope
 */
public record GgufTensor(String name, long[] shape, Supplier<Tensor> tensor) {

    long count() {
        return Arrays.stream(shape).reduce(1, Math::multiplyExact);
    }

    /** The type that llama.cpp wants this tensor in where matrices have type {@code asked}. */
    GgufType type(GgufType asked) {
        boolean alwaysFull = shape.length == 1
                || name.endsWith("_norm.weight")
                || name.endsWith(".ffn_gate_inp.weight") // which expert a token goes to hangs on small differences
                || name.equals("position_embd.weight")
                || !name.endsWith(".weight");
        if (alwaysFull) {
            return GgufType.F32;
        }
        return shape[shape.length - 1] % asked.blockSize() == 0 ? asked : GgufType.F16;
    }
}
