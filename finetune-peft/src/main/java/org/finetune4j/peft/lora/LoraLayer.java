package org.finetune4j.peft.lora;

import java.util.Collection;
import java.util.List;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.LinearExtension;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** {@code y = base(x) + scale * B A dropout(x)} (Hu et al. 2021). */
final class LoraLayer implements LinearExtension {

    private final Linear base;
    private final Parameter loraA;
    private final Parameter loraB;
    private final double scale;
    private final double dropout;

    /**
     * @param loraA [rank, in]
     * @param loraB [out, rank]
     */
    LoraLayer(Linear base, Parameter loraA, Parameter loraB, double scale, double dropout) {
        this.base = base;
        this.loraA = loraA;
        this.loraB = loraB;
        this.scale = scale;
        this.dropout = dropout;
    }

    @Override
    public Tensor forward(Linear linear, Tensor x) {
        long[] shape = x.shape();
        Tensor rows = x.reshape(-1, shape[shape.length - 1]); // [rows, in]
        Tensor output = linear.project(rows); // [rows, out]
        Tensor input = Dropout.apply(rows, dropout);
        Tensor low = Functional.linear(input, loraA.as(x.dtype()), null); // [rows, rank]
        // The base output is nobody else's: adding to it saves a tensor of its size, forwards and backwards.
        output.addMatrixProductInPlace(low, loraB.as(x.dtype()).t(), scale);
        shape[shape.length - 1] = output.size(1);
        return output.view(shape); // [..., out]
    }

    @Override
    public Collection<Parameter> parameters() {
        return List.of(loraA, loraB);
    }

    Linear base() {
        return base;
    }

    Parameter loraA() {
        return loraA;
    }

    Parameter loraB() {
        return loraB;
    }

    /** The base weight with the product added, in the base weight's layout and dtype. */
    Tensor mergedWeight() {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor delta = loraB.value().matmul(loraA.value()).mul(scale); // [out, in]
            Tensor laidOut = base.layout() == Linear.Layout.OUT_IN ? delta : delta.t();
            Tensor merged = base.weight()
                    .as(DType.FLOAT32)
                    .add(laidOut)
                    .to(base.weight().dtype());
            return scope.keep(merged.contiguous());
        }
    }

    void free() {
        loraA.value().close();
        loraB.value().close();
    }

    @Override
    public String toString() {
        return "LoRA";
    }
}
