package org.finetune4j.peft.vblora;

import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.SharedPart;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Functional.TopK;
import org.finetune4j.tensor.Tensor;

/** The vectors that all layers mix theirs of, [vectors, length]; they train. */
final class VectorBank implements SharedPart {

    private final Parameter vectors;
    private final int topK;

    VectorBank(CausalLM model, VbLora config, boolean trainable) {
        this.topK = config.topK();
        Tensor initial = InitialValues.zeros(model.device(), config.vectors(), config.vectorLength())
                .uniformInPlace(-config.bankBound(), config.bankBound());
        this.vectors = InitialValues.parameter(model, "vblora_vector_bank", initial, trainable);
    }

    /** Of every row of logits the mean of its best vectors, weighted by their softmax: [m, n, vectors] to [m, n, length]. */
    Tensor mixtures(Tensor logits, DType dtype) {
        Tensor bank = vectors.as(dtype);
        TopK best = Functional.topK(logits, topK); // [m, n, topK]
        Tensor chosen = bank.indexSelect(0, best.indices().reshape(-1))
                .reshape(logits.size(0), logits.size(1), topK, bank.size(1));
        return best.values().softmax(-1).unsqueeze(3).mul(chosen).sum(2, false);
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        return Map.of("base_model.vblora_vector_bank", vectors);
    }

    @Override
    public void free() {
        vectors.close();
    }
}
