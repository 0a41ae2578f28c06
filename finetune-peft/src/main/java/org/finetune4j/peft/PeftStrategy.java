package org.finetune4j.peft;

import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.FineTuningStrategy;

/** A method that makes an adapter in PEFT's format. */
public interface PeftStrategy extends FineTuningStrategy {

    /**
     * Attaches the adapter to a model and enables it.
     *
     * @param model gets the adapter
     * @param trainable whether its parameters train
     * @return the adapter, which the caller closes
     * @throws org.finetune4j.UserErrorException when the settings do not fit the model
     */
    PeftAdapter attach(CausalLM model, boolean trainable);

    @Override
    default PeftAdapter attach(CausalLM model) {
        return attach(model, true);
    }
}
