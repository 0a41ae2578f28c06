package org.finetune4j.peft.lora;

import java.util.List;
import java.util.Map;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.PartedWeight;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/**
 * What a layer that took {@code B0 A0} from its base has learned, {@code B A - B0 A0}, as one product of twice the rank:
 * {@code [B, -B0] [A; A0]}.
 */
final class DoubledLora {

    private DoubledLora() {}

    /** The matrices [2 rank, in] and [out, 2 rank] under their keys in the layer; they belong to the open scope. */
    static Map<String, Parameter> of(LoraLayer layer) {
        PartedWeight parted = layer.parted();
        if (parted == null) {
            return Map.of();
        }
        Tensor a = whole(layer.loraA());
        Tensor b = whole(layer.loraB());
        Tensor doubledA = Tensors.cat(List.of(a, parted.initialA().to(a.dtype())), 0);
        Tensor doubledB = Tensors.cat(List.of(b, parted.initialB().to(b.dtype()).neg()), 1);
        return Map.of("lora_A.weight", temporary(doubledA), "lora_B.weight", temporary(doubledB));
    }

    /** Other ranks may have it, or parts of it. */
    private static Tensor whole(Parameter parameter) {
        return parameter.whole(parameter.dtype()).detach();
    }

    private static Parameter temporary(Tensor value) {
        return new Parameter("", value);
    }
}
