package org.finetune4j.peft.promptlearning;

import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;

/** The virtual tokens themselves train. */
public final class TableEncoder implements PromptEncoder {

    private final Parameter table;

    /**
     * Makes the table.
     *
     * @param model decides type and device
     * @param values [virtualTokens, width] to start from
     * @param trainable whether the parameters train
     */
    public TableEncoder(CausalLM model, Tensor values, boolean trainable) {
        this.table = new EncoderParameters(model, trainable).add(TABLE, values);
    }

    @Override
    public Map<String, Parameter> parameters() {
        return Map.of(TABLE, table);
    }

    @Override
    public Tensor encode(Dropout dropout) {
        return table.value();
    }

    @Override
    public Map<String, String> stored() {
        return Map.of(TABLE, PromptAdapter.PRODUCT);
    }
}
