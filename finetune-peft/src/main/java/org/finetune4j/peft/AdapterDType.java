package org.finetune4j.peft;

import org.finetune4j.model.CausalLM;
import org.finetune4j.tensor.DType;

/** The type that adapters are stored, trained and merged in. */
public final class AdapterDType {

    private AdapterDType() {}

    /**
     * {@return float64 for a model that computes in it, else float32 whatever the base is stored in, as in PEFT}
     *
     * @param model that the adapter is for
     */
    public static DType of(CausalLM model) {
        return of(model.computeDType());
    }

    /**
     * {@return float64 for a model that computes in it, else float32 whatever the base is stored in, as in PEFT}
     *
     * @param base the type that the model computes in
     */
    public static DType of(DType base) {
        return base == DType.FLOAT64 ? DType.FLOAT64 : DType.FLOAT32;
    }
}
